"""One cluster for all of these tests, on each operating system of the lab."""

from collections.abc import Iterator

import pytest

from lab import image, service
from lab.lab import Lab
from lab.paths import LabPaths
from tests.lab.prod import MADE_WITH
from tests.support import trial

USUAL = trial.SYSTEM.name
OTHERS = [each for each in image.systems() if each != USUAL]


@pytest.fixture(scope="package", params=[USUAL, *(pytest.param(each, marks=pytest.mark.long) for each in OTHERS)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A cluster that is well when a test begins, and that each test leaves so."""
    for lab in trial.own_lab(Lab(LabPaths("prod"))):
        lab.up({"operatingSystem": request.param, **MADE_WITH})
        service.wait_until_well(lab, 180)
        yield lab
