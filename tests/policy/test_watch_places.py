"""Which directories and names take part in finding a configured path."""

from pathlib import Path

from policy.watch_places import places


def test_missing_file_is_expected_in_its_directory(tmp_path: Path) -> None:
    found = places([tmp_path / "limits.yaml"])[str(tmp_path)]
    assert found.concerns("limits.yaml", write=True)
    assert not found.concerns("other.yaml", write=False)


def test_missing_directory_is_expected_in_the_nearest(tmp_path: Path) -> None:
    found = places([tmp_path / "later" / "limits.yaml"])
    assert found[str(tmp_path)].concerns("later", write=False)
    assert not found[str(tmp_path)].contents


def test_every_link_of_a_mounted_config_map_counts(tmp_path: Path) -> None:
    (tmp_path / "..v1").mkdir()
    (tmp_path / "..v1" / "limits.yaml").write_text("")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "limits.yaml").symlink_to("..data/limits.yaml")
    found = places([tmp_path / "limits.yaml"])
    assert found[str(tmp_path)].names >= {"limits.yaml", "..data", "..v1"}
    assert found[str(tmp_path / "..v1")].concerns("limits.yaml", write=True)


def test_absolute_and_upward_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "real").write_text("")
    (tmp_path / "b" / "up").symlink_to("../b/real")
    (tmp_path / "a" / "limits.yaml").symlink_to(tmp_path / "b" / "up")
    found = places([tmp_path / "a" / "limits.yaml"])
    assert found[str(tmp_path / "b")].names == {"up", "real"}
    assert found[str(tmp_path / "b")].concerns("real", write=True)


def test_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert places([tmp_path / "a"])[str(tmp_path)].names == {"a", "b"}


def test_directory_counts_with_all_below(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "self").symlink_to(tmp_path)
    (tmp_path / ".git").mkdir()
    found = places([tmp_path])
    assert found[str(tmp_path / "deep" / "er")].concerns("new.yaml", write=True)
    assert str(tmp_path / ".git") not in found


def test_writes_to_other_files_do_not_count(tmp_path: Path) -> None:
    found = places([tmp_path])[str(tmp_path)]
    assert not found.concerns("access.log", write=True)
    assert not found.concerns(".config.yaml.swp", write=False)
    assert found.concerns("subdirectory", write=False)
