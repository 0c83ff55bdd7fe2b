"""What privileged commands need: the policy in force, and a key that it trusts."""

from leaky.failures import ExpectedFailureError
from schemas.policies import PolicyDocument
from schemas.signing import Issuer
from topics.issuer_keys import issuer_trusted_by
from topics.published_policies import read_published_policies
from topics.settings import TopicsSettings


class NoPolicyError(ExpectedFailureError):
    """The system has no policy yet."""


def current_policy(settings: TopicsSettings) -> PolicyDocument:
    """The published policy of the highest version; raises `NoPolicyError` before the first."""
    published = read_published_policies(settings)
    if not published:
        raise NoPolicyError("no policy was published yet: run `python -m topics create` first")
    return max((each.document for each in published), key=lambda policy: policy.version)


def current_issuer(settings: TopicsSettings) -> Issuer:
    """A key of the data folder that the current policy trusts; raises `IssuerKeyError`."""
    return issuer_trusted_by(current_policy(settings).issuers, settings.data_dir)
