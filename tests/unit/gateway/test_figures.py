"""Limits and quotas in headers and bodies."""

from gateway.figures import bucket_of, iso_instant, limit_bodies, quota_body, rate_limit_headers
from schemas.outcomes import Outcome
from tests.unit.gateway.replies import AT_ONCE, BUCKET, QUOTA, REQUESTS_A_DAY, a_reply


def test_the_older_headers_are_the_first_buckets_in_whole_seconds_rounded_up() -> None:
    headers = rate_limit_headers(a_reply(Outcome.GRANTED, limits=(AT_ONCE, BUCKET)))
    assert [item for item in headers if item[0].startswith("x-")] == [
        ("x-ratelimit-limit", "1000"),
        ("x-ratelimit-remaining", "199"),
        ("x-ratelimit-used", "801"),
        ("x-ratelimit-reset", "81"),
    ]


def test_the_ietf_fields_list_every_limit_and_the_quota_with_their_units() -> None:
    reply = a_reply(Outcome.GRANTED, limits=(BUCKET, REQUESTS_A_DAY, AT_ONCE))
    headers = dict(rate_limit_headers(reply))
    assert headers["ratelimit-policy"] == (
        '"tokens";q=1000;qu="tokens";w=100, "daily";q=50;qu="requests";w=86400, '
        '"at-once";q=4;qu="concurrent-requests", "quota";q=100000;qu="tokens";w=86400'
    )
    assert headers["ratelimit"] == (
        '"tokens";r=199;t=81, "daily";r=47;t=3600, "at-once";r=3, "quota";r=99199;t=86400'
    )


def test_every_header_is_given_once() -> None:
    names = [name for name, _ in rate_limit_headers(a_reply(Outcome.GRANTED))]
    assert len(names) == len(set(names))


def test_a_limit_that_time_does_not_reset_names_no_reset() -> None:
    headers = dict(rate_limit_headers(a_reply(Outcome.GRANTED, limits=(AT_ONCE,), quota=None)))
    assert "x-ratelimit-reset" not in headers
    assert headers["ratelimit"] == '"at-once";r=3'


def test_without_limits_and_quota_there_are_no_headers() -> None:
    assert rate_limit_headers(a_reply(Outcome.GRANTED, limits=(), quota=None)) == []


def test_the_figures_of_a_body_are_the_first_buckets_else_the_first_limits() -> None:
    assert bucket_of((REQUESTS_A_DAY, BUCKET)) is BUCKET
    assert bucket_of((REQUESTS_A_DAY, AT_ONCE)) is REQUESTS_A_DAY
    assert bucket_of(()) is None


def test_instants_are_utc_with_milliseconds_and_z() -> None:
    assert iso_instant(1_795_000_000_007) == "2026-11-18T11:06:40.007Z"


def test_a_limits_and_a_quotas_body_carry_what_the_reply_says() -> None:
    (limit,) = limit_bodies((BUCKET,))
    assert (limit.name, limit.used, limit.reset_ms) == ("tokens", 801, 80_001)
    quota = quota_body(QUOTA)
    assert quota is not None
    assert (quota.remaining_tokens, quota.reset_time) == (99_199, "2026-11-19T11:06:40.123Z")
    assert quota_body(None) is None
