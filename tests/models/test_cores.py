"""How many cores are used: no more than the container's quota."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.models.cores import cores


@pytest.mark.parametrize(("quota", "least"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", 0), ("", 0)])
def test_a_quota_bounds_the_cores_and_no_quota_does_not(quota: str, least: int, tmp_path: Path) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    assert cores(path) == (least or cores(tmp_path / "none")) >= 1
