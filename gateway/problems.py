"""Every failure that the gateway answers on top of those every service may answer."""

from schemas.outcomes import Outcome
from service.http.problems import ProblemType

USER_ID_REQUIRED = ProblemType(
    "user-id-required", 400, "userId is required", "Name the user who pays."
)
PROVIDER_REQUIRED = ProblemType(
    "provider-required", 400, "provider is required", "Name the provider."
)
TOKENS_NOT_POSITIVE = ProblemType(
    "tokens-not-positive", 400, "tokens must be positive", "Ask for one token or more."
)
TOKENS_NEGATIVE = ProblemType(
    "tokens-negative", 400, "tokens must be 0 or more", "Say how many tokens were used."
)
INVALID_USER_ID = ProblemType("invalid-user-id", 400, "invalid userId", "Send a UUID.")
INVALID_ORG_ID = ProblemType("invalid-org-id", 400, "invalid orgId", "Send a UUID, or none.")
INVALID_IDEMPOTENCY_KEY = ProblemType(
    "invalid-idempotency-key",
    400,
    "idempotency key too long or not printable",
    "Send 1 to 100 printable ASCII characters.",
)
UNKNOWN_PROVIDER = ProblemType(
    Outcome.UNKNOWN_PROVIDER, 400, "unknown provider", "Use a provider that the policy names."
)
MALFORMED = ProblemType(
    Outcome.MALFORMED, 400, "The command is not valid", "Correct what `detail` names."
)
UNAUTHORISED_COMMAND = ProblemType(
    Outcome.UNAUTHORISED_COMMAND, 403, "Not allowed", "Only signed commands may do this."
)
ACCOUNT_SUSPENDED = ProblemType(
    Outcome.ACCOUNT_SUSPENDED, 403, "The account is suspended", "Ask an administrator."
)
ACCOUNT_CLOSED = ProblemType(
    Outcome.ACCOUNT_CLOSED, 403, "The account is closed", "Use another account."
)
QUOTA_NOT_FOUND = ProblemType(
    "quota-not-found",
    404,
    "quota not found",
    "The account has neither an allowance nor purchased tokens for this provider.",
)
RESERVATION_UNKNOWN = ProblemType(
    Outcome.HOLD_UNKNOWN, 404, "reservation not found", "Use the id that the reservation returned."
)
IDEMPOTENCY_CONFLICT = ProblemType(
    Outcome.IDEMPOTENCY_CONFLICT,
    409,
    "Idempotency key reuse with different payload",
    "Use a new key for another request.",
)
REQUEST_IN_PROGRESS = ProblemType(
    "request-in-progress",
    409,
    "A request with this idempotency key is in progress",
    "Repeat it when the first has ended.",
)
ALREADY_SETTLED = ProblemType(
    Outcome.HOLD_ALREADY_SETTLED, 409, "reservation already settled", "Nothing is left to do."
)
ALREADY_VOIDED = ProblemType(
    Outcome.HOLD_ALREADY_VOIDED, 409, "reservation already released", "Reserve again."
)
RESERVATION_EXPIRED = ProblemType(
    Outcome.HOLD_EXPIRED, 410, "reservation expired", "Everything was given back; reserve again."
)
QUOTA_EXHAUSTED = ProblemType(
    Outcome.QUOTA_EXHAUSTED,
    402,
    "insufficient token quota",
    "Buy tokens, or wait for the allowance's next window.",
)
EXCEEDS_CAPACITY = ProblemType(
    Outcome.EXCEEDS_CAPACITY,
    429,
    "more tokens than a limit can ever pass",
    "Ask for fewer tokens at once; waiting does not help.",
)
RATE_LIMITED = ProblemType(
    Outcome.RATE_LIMITED, 429, "rate limit exceeded", "Try again after `Retry-After` seconds."
)
CONCURRENCY_LIMITED = ProblemType(
    Outcome.CONCURRENCY_LIMITED,
    429,
    "too much at once",
    "Settle or release what is open, or try again after `Retry-After` seconds.",
)
DECISION_FAILED = ProblemType(
    Outcome.DECISION_FAILED,
    500,
    "The decision failed",
    "Report the command id; nothing was charged.",
)
MISROUTED = ProblemType(Outcome.MISROUTED, 500, "The command went astray", "Report the command id.")
PROVIDER_CALL_FAILED = ProblemType(
    "provider-call-failed",
    502,
    "provider call failed",
    "Everything was given back; try again.",
)
NOT_READY = ProblemType(
    Outcome.NOT_READY, 503, "The system has no policy yet", "Try again after a short while."
)
NO_DECISION = ProblemType(
    "no-decision",
    503,
    "No decision could be had",
    "Nothing was decided; try again after a short while.",
)
OVERLOADED = ProblemType(
    "overloaded",
    503,
    "Too many requests are under way",
    "Nothing was decided; try again after a short while.",
)
USE_NOT_CONFIRMED = ProblemType(
    "use-not-confirmed",
    503,
    "What was used is not recorded yet",
    "It is still being recorded; repeat the request with the same Idempotency-Key.",
)
KEYS_UNAVAILABLE = ProblemType(
    "keys-unavailable",
    503,
    "Credentials cannot be verified at the moment",
    "Try again after a short while.",
)
NO_REPLY = ProblemType(
    "no-reply",
    504,
    "No decision came in time",
    "Whether it was decided is not known; repeat it with the same Idempotency-Key.",
)

GATEWAY_PROBLEMS: tuple[ProblemType, ...] = (
    USER_ID_REQUIRED,
    PROVIDER_REQUIRED,
    TOKENS_NOT_POSITIVE,
    TOKENS_NEGATIVE,
    INVALID_USER_ID,
    INVALID_ORG_ID,
    INVALID_IDEMPOTENCY_KEY,
    UNKNOWN_PROVIDER,
    MALFORMED,
    QUOTA_EXHAUSTED,
    UNAUTHORISED_COMMAND,
    ACCOUNT_SUSPENDED,
    ACCOUNT_CLOSED,
    QUOTA_NOT_FOUND,
    RESERVATION_UNKNOWN,
    IDEMPOTENCY_CONFLICT,
    REQUEST_IN_PROGRESS,
    ALREADY_SETTLED,
    ALREADY_VOIDED,
    RESERVATION_EXPIRED,
    EXCEEDS_CAPACITY,
    RATE_LIMITED,
    CONCURRENCY_LIMITED,
    DECISION_FAILED,
    MISROUTED,
    PROVIDER_CALL_FAILED,
    NOT_READY,
    NO_DECISION,
    OVERLOADED,
    USE_NOT_CONFIRMED,
    KEYS_UNAVAILABLE,
    NO_REPLY,
)
"""The gateway's catalogue, by status."""

PROBLEM_OF_OUTCOME = {
    Outcome(kind.code): kind for kind in GATEWAY_PROBLEMS if kind.code in frozenset(Outcome)
}
"""What a refusal of the pipeline is over HTTP. Outcomes that the gateway never causes
(`unknown-tier`, `policy-outdated`) are not in it."""
