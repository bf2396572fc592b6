"""Folders of images: how they are removed."""

from sandbox.engine.process.run.rootfs import remove_tree


def test_a_folder_that_is_gone_leaves_the_mode_of_its_parent(tmp_path):
    tmp_path.chmod(0o1777)
    remove_tree(tmp_path / "gone")
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_link_in_a_folder_leaves_the_mode_of_what_it_leads_to(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    remove_tree(folder)
    assert (folder.exists(), outside.stat().st_mode & 0o777) == (False, 0o755)


def test_folders_that_their_owner_has_closed_are_removed(tmp_path):
    folder = tmp_path / "folder"
    (folder / "closed" / "below").mkdir(parents=True)
    (folder / "closed").chmod(0o500)
    folder.chmod(0o500)
    remove_tree(folder)
    assert not folder.exists()
