"""Which of several mistakes in a request to spend is reported, and who may spend for whom."""

import pytest

from gateway.authentication import Principal
from gateway.spending import Payer, payer_for
from service.http.problems import ProblemError

ALICE = "0a000000-0000-4000-8000-00000000000a"
BOB = "0b000000-0000-4000-8000-00000000000b"

USER = Principal(ALICE, frozenset({"USER"}))
ADMIN = Principal(BOB, frozenset({"USER", "ADMIN"}))


def refused(
    principal: Principal,
    user_id: str | None,
    provider: str | None,
    org_id: str | None = None,
    tokens: int | None = 1,
) -> tuple[int, str]:
    with pytest.raises(ProblemError) as caught:
        payer_for(principal, user_id, provider, org_id=org_id, tokens=tokens)
    return caught.value.kind.status, caught.value.detail


def test_of_several_mistakes_the_first_in_the_documented_order_is_reported() -> None:
    everything_wrong = refused(USER, " ", "", org_id="no", tokens=0)
    assert everything_wrong == (400, "userId is required")
    assert refused(USER, "no", " ", org_id="no", tokens=0) == (400, "provider is required")
    assert refused(USER, "no", "?", org_id="no", tokens=0) == (400, "tokens must be positive")
    assert refused(USER, "no", "?", org_id="no") == (400, "invalid userId")
    assert refused(USER, BOB, "?", org_id="no") == (400, "invalid orgId")
    assert refused(USER, BOB, "?", org_id=ALICE)[0] == 403
    assert refused(USER, BOB, "?")[0] == 403
    assert refused(USER, ALICE, "?") == (400, "unknown provider")


@pytest.mark.parametrize("tokens", [None, 0, -1])
def test_an_amount_that_is_missing_or_below_one_is_refused(tokens: int | None) -> None:
    assert refused(USER, ALICE, "openai", tokens=tokens) == (400, "tokens must be positive")


def test_a_user_spends_from_its_own_account() -> None:
    assert payer_for(USER, ALICE, "openai") == Payer(ALICE, f"user:{ALICE}", "openai", None)


def test_case_and_blanks_around_ids_and_providers_do_not_matter() -> None:
    payer = payer_for(USER, f" {ALICE.upper()} ", " OpenAI ", org_id="  ")
    assert payer == Payer(ALICE, f"user:{ALICE}", "openai", None)


def test_an_admin_may_spend_for_anyone_and_is_named_as_the_actor() -> None:
    assert payer_for(ADMIN, ALICE, "qwen").actor == f"user:{BOB}"


def test_not_even_an_admin_may_spend_for_an_organization() -> None:
    assert refused(ADMIN, ALICE, "openai", org_id=ALICE)[0] == 403
