"""What tests of claims share: claiming, renewing and finishing as a runner does, and a look at what became of it."""

from __future__ import annotations

from typing import Any

from farm_kit import SetClock

from hqserver.services.care import upkeep
from hqserver.services.clients import claims
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup
from hqserver.services.work import leases


def claim(farm: Farm, runner: Any = "laptop", seconds: int = 60, **wanted: Any) -> dict[str, Any]:
    """Claim work that is there."""
    found = claims.claim_job(farm, wanted, runner, seconds)
    assert found is not None
    return found


def nothing(farm: Farm, runner: Any = "laptop", **wanted: Any) -> bool:
    """Whether there is no work for the runner."""
    return claims.claim_job(farm, wanted, runner, 60) is None


def finish(farm: Farm, claimed: dict[str, Any], status: str = "succeeded", **more: Any) -> str:
    return claims.finish_job(farm, claimed["job"], {"status": status, "run": claimed["run"], **more})["status"]


def renew(farm: Farm, claimed: dict[str, Any], seconds: int | None = None, progress: float | None = None) -> Any:
    return claims.renew_claim(farm, claimed["run"], seconds, progress)


def client_of(farm: Farm, label: str = "laptop") -> dict[str, Any]:
    return lookup.client_detail_by_name(farm, label, None)


def pass_by(farm: Farm, clock: SetClock, seconds: float) -> None:
    """Time goes by, and the ticks that look at claims happen before and after it."""
    leases.end_leases(farm)
    upkeep.bound_waits(farm)
    clock.advance(seconds)
    upkeep.notice_silence(farm)
    upkeep.bound_waits(farm)
    leases.end_leases(farm)
