"""A guest's recipe, and the key under which its image is kept."""

from pathlib import Path

import pytest
import yaml

from components.settings import operating_system
from lab import image
from lab.cloud import catalogue


def test_a_recipe_joins_the_common_lists_with_its_own() -> None:
    for system in image.systems():
        parts = image.recipe(system)
        assert {"pacemaker", "corosync", "cloud-init"} < set(parts["packages"])
        assert {"mariadb-server", "mysql-server"} & set(parts["packages"])
        assert not set(parts["offline_packages"]) & set(parts["packages"])
    assert image.recipe("debian-sid")["ignore_valid_until"]


def test_a_guest_is_a_system_of_the_program_with_a_recipe() -> None:
    assert set(image.everyday_systems()) < set(image.systems()) < set(operating_system.names())
    assert not {"common", "kernel", image.ARBITRATOR} & set(image.systems())


def test_the_lab_can_tell_each_guest_by_its_image() -> None:
    assert sorted(catalogue.GUESTS.values()) == image.systems(), "two guests have the same image on Azure"
    images = [operating_system.load(name).image for name in operating_system.names()]
    assert len({*images}) == len(images), "two systems have the same image on Azure"


def test_a_recipe_has_no_key_that_nobody_reads() -> None:
    known = {*image.recipe("debian-12"), *image.recipe("debian-sid")} | {"only_nightly"}
    for system in image.systems():
        own = yaml.safe_load((image.RECIPES / f"{system}.yaml").read_text())
        assert {*own} <= known and "suite" in own


@pytest.mark.parametrize("name", ["plan9", "common", "kernel"])
def test_an_unknown_guest_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="debian-13"):
        image.recipe(name)


def test_how_often_a_guest_is_tested_is_no_part_of_it() -> None:
    assert [system for system in image.systems() if "only_nightly" in image.recipe(system)] == []


def test_the_key_changes_with_all_that_goes_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = {image.key("debian-12", "7.2.7"), image.key("debian-13", "7.2.7"), image.key("debian-12", "6.1.1")}
    for file in image.RECIPES.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(image, "RECIPES", tmp_path)
    keys.add(image.key("debian-12", "7.2.7"))  # no overlay
    (tmp_path / "rootfs").mkdir()
    (tmp_path / "rootfs" / "file").write_text("a")
    keys.add(image.key("debian-12", "7.2.7"))
    (tmp_path / "rootfs" / "file").write_text("b")
    keys.add(image.key("debian-12", "7.2.7"))
    assert len(keys) == 6


def test_a_check_sees_the_tree_and_its_work(tmp_path: Path) -> None:
    made = image.Image("debian-12", tmp_path / "disk.ext4", tmp_path / "tree")
    argv = made.inside(["drbdadm", "dump"], tmp_path / "work")
    assert argv[-4:] == [str(tmp_path / "tree"), str(tmp_path / "work"), "drbdadm", "dump"]
