"""Clip files: what is read, what is refused, and what a round trip keeps."""

import dataclasses
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.motions.clip import Clip, ClipError
from hoigym.motions.formats import clip_files, load_clip, load_clips, save_clip
from hoigym.motions.library import MotionLibrary
from tests.motions.clips import blanked, random_clip

BALLPLAY_LABELS = {  # inclusive segments of frames with contact
    "031_015pickle_layup_001_006": ((0, 38), (52, 127)),
    "011_018pickle_lrun_2": ((0, 9), (28, 74), (97, 110)),
    "012_018pickle_pick2rrun_3": ((0, 64), (79, 119), (131, 160)),
    "013_018pickle_run2_5": ((0, 4), (15, 57), (70, 80)),
    "013_018pickle_run_4": ((0, 13), (30, 64)),
    "009_006pickle_dribble2shot": ((0, 24), (44, 145), (194, 200)),
}


def mocap_table(frames: int = 10) -> torch.Tensor:
    """Random columns of the 337 layout with a valid contact label."""
    table = torch.rand(frames, 337, generator=torch.Generator().manual_seed(0))
    table[:, 336] = torch.arange(frames) % 2
    return table


def same_arrays(one: Clip, other: Clip) -> bool:
    mine, others = one.arrays(), other.arrays()
    return mine.keys() == others.keys() and all(
        mine[name].dtype == others[name].dtype and mine[name].tobytes() == others[name].tobytes() for name in mine
    )


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


class TestPublishedLayouts:
    def test_mocap_columns(self, tmp_path: Path) -> None:
        table = mocap_table()
        torch.save(table, tmp_path / "013_x.pt")
        clip = load_clip(tmp_path / "013_x.pt")
        assert (clip.name, clip.skill, clip.skeleton, clip.fps) == ("013_x", 13, "mocap", 60.0)
        assert (clip.root_pos == table[:, 0:3].numpy()).all()
        assert (clip.root_rot == table[:, 3:6].numpy()).all()
        assert (clip.joint_rot[:, 51] == table[:, 162:165].numpy()).all()
        assert clip.body_pos is not None
        assert (clip.body_pos[:, 52] == table[:, 321:324].numpy()).all()
        assert (clip.object_pos[:, 0] == table[:, 324:327].numpy()).all()
        assert (clip.contact[:, 0] == table[:, 336].numpy()).all()

    def test_the_ball_turns_the_other_way_in_mocap_files(self, tmp_path: Path) -> None:
        table = mocap_table()
        table[0, 327:330] = 0.0
        torch.save(table, tmp_path / "013_x.pt")
        clip = load_clip(tmp_path / "013_x.pt")
        assert (clip.object_rot[:, 0] == -table[:, 327:330].numpy()).all()
        assert not np.signbit(clip.object_rot[0]).any()

    def test_contact_label_is_rounded(self, tmp_path: Path) -> None:
        table = mocap_table()
        table[:2, 336] = torch.tensor([0.4, 0.7])
        torch.save(table, tmp_path / "013_x.pt")
        assert load_clip(tmp_path / "013_x.pt").contact[:2, 0].tolist() == [0.0, 1.0]

    @pytest.mark.parametrize("objects", [1, 2])
    def test_parahome_columns(self, tmp_path: Path, objects: int) -> None:
        table = torch.rand(8, 403 + 6 * objects)
        table[:, -1] = 1.0
        torch.save(table, tmp_path / "010_x.pt")
        clip = load_clip(tmp_path / "010_x.pt")
        assert (clip.skeleton, clip.fps, clip.num_objects) == ("parahome", 30.0, objects)
        assert clip.body_pos is not None
        assert clip.body_pos.shape == (8, 61, 3)
        assert (clip.joint_rot[:, 59] == table[:, 186:189].numpy()).all()
        last = 402 + 6 * (objects - 1)
        assert (clip.object_pos[:, -1] == table[:, last : last + 3].numpy()).all()
        assert (clip.object_rot[:, -1] == table[:, last + 3 : last + 6].numpy()).all()
        assert clip.contact.tolist() == [[1.0, 0.0][:objects]] * 8


class TestRefused:
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (torch.zeros(10, 336), "336 columns; expected 337, 409, 415"),
            (torch.zeros(337), r"holds a float32 \(337,\) tensor; expected float32 \(frames, columns\)"),
            (torch.ones(10, 337, dtype=torch.float64), "holds a float64"),
            (torch.ones(3, 337), "only 3 frames; expected at least 4"),
            (torch.zeros(10, 337), "every frame is missing"),
            (torch.ones(10, 337).to_sparse(), "holds a torch.sparse_coo tensor"),
            (torch.ones(10, 337, device="meta"), "holds a torch.strided tensor on device 'meta'"),
            ({"motion": torch.ones(10, 337)}, "holds a dict; expected one float32 tensor"),
            (np.ones((10, 337), np.float32), "a pickle that calls numpy.*refused unread"),
        ],
    )
    def test_content(self, tmp_path: Path, value: object, message: str) -> None:
        file = tmp_path / "001_bad.pt"
        torch.save(value, file)
        self.check(file, message)

    @pytest.mark.parametrize(("column", "value"), [(7, float("nan")), (330, float("inf")), (20, float("nan"))])
    def test_not_finite(self, tmp_path: Path, column: int, value: float) -> None:
        table = mocap_table()
        table[4, column] = value
        torch.save(table, tmp_path / "001_bad.pt")
        self.check(tmp_path / "001_bad.pt", f"NaN or infinity at frame 4, column {column}; expected finite")

    @pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9, 0.999])
    @pytest.mark.parametrize("suffix", [".pt", ".npz"])
    def test_truncated(self, tmp_path: Path, kept: float, suffix: str) -> None:
        whole, file = tmp_path / f"001_whole{suffix}", tmp_path / f"001_bad{suffix}"
        if suffix == ".pt":
            torch.save(mocap_table(), whole)
        else:
            save_clip(random_clip(), whole)
        data = whole.read_bytes()
        file.write_bytes(data[: int(kept * len(data))])
        self.check(file, "(truncated or )?not a")

    @pytest.mark.parametrize("suffix", [".pt", ".npz"])
    def test_text(self, tmp_path: Path, suffix: str) -> None:
        file = tmp_path / f"001_bad{suffix}"
        file.write_text("this is no clip\n" * 50)
        self.check(file, "truncated or not a")

    @pytest.mark.parametrize("name", ["walk.pt", "1_walk.pt", "01a_walk.pt"])
    def test_no_skill_in_the_name(self, tmp_path: Path, name: str) -> None:
        torch.save(mocap_table(), tmp_path / name)
        self.check(tmp_path / name, "no skill id; expected a file name that begins with three digits")

    def test_skill_beyond_the_label(self, tmp_path: Path) -> None:
        torch.save(mocap_table(), tmp_path / "064_walk.pt")
        self.check(tmp_path / "064_walk.pt", "skill id 64; expected 0 to 63")

    def test_absent(self, tmp_path: Path) -> None:
        self.check(tmp_path / "001_none.pt", "no such file")

    def test_unknown_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "001_clip.csv").touch()
        self.check(tmp_path / "001_clip.csv", "unknown suffix '.csv'; expected .pt or .npz")

    @pytest.mark.parametrize("writer", ["torch", "torch_legacy", "pickle", "numpy"])
    def test_code_is_never_run(self, tmp_path: Path, writer: str) -> None:
        marker = tmp_path / "ran"
        file = tmp_path / ("001_bad.npz" if writer == "numpy" else "001_bad.pt")
        if writer == "numpy":
            with open(file, "wb") as stream:
                np.savez(stream, root_pos=np.array([Bomb(marker)], dtype=object))
        elif writer == "pickle":
            file.write_bytes(pickle.dumps(Bomb(marker)))
        else:
            torch.save(Bomb(marker), file, _use_new_zipfile_serialization=writer == "torch")
        self.check(file, "a pickle that calls|not a tensor file|truncated or not")
        assert not marker.exists()

    def test_the_bomb_is_live(self, tmp_path: Path) -> None:
        marker = tmp_path / "ran"
        pickle.loads(pickle.dumps(Bomb(marker)))
        assert marker.exists()

    @staticmethod
    def check(file: Path, message: str) -> None:
        """One line that begins with the file; the directory is left as it was."""
        before = {path: path.read_bytes() for path in file.parent.iterdir()}
        with pytest.raises(ClipError, match=message) as caught:
            load_clip(file)
        assert str(caught.value).startswith(f"{file}: ")
        assert "\n" not in str(caught.value)
        assert {path: path.read_bytes() for path in file.parent.iterdir()} == before


class TestNpz:
    @pytest.mark.parametrize("skeleton", ["mocap", "parahome"])
    @pytest.mark.parametrize("objects", [0, 1, 2])
    @pytest.mark.parametrize("stored", [True, False])
    def test_round_trip(self, tmp_path: Path, skeleton: str, objects: int, stored: bool) -> None:
        clip = random_clip(skeleton=skeleton, objects=objects, fps=29.97, skill=63)
        clip = clip if stored else dataclasses.replace(clip, body_pos=None)
        save_clip(clip, tmp_path / "any name.npz")
        again = load_clip(tmp_path / "any name.npz")
        assert same_arrays(clip, again)
        assert (again.name, again.skill, again.skeleton, again.fps) == ("any name", 63, skeleton, 29.97)

    def test_round_trip_keeps_missing_frames(self, tmp_path: Path) -> None:
        clip = blanked(random_clip(), [0, 5])
        save_clip(clip, tmp_path / "a.npz")
        assert np.flatnonzero(load_clip(tmp_path / "a.npz").missing).tolist() == [0, 5]

    def test_equal_clips_give_equal_files(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            save_clip(random_clip(), tmp_path / f"{name}.npz")
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()

    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "a.npz"
        save_clip(random_clip(0), file)
        before = file.read_bytes()

        def full_disk(*_args: object, **_kwargs: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np.lib.format, "write_array", full_disk)
        with pytest.raises(ClipError, match=r"a\.npz: cannot be written \(No space left on device\)"):
            save_clip(random_clip(1), file)
        assert file.read_bytes() == before
        assert list(tmp_path.iterdir()) == [file]

    def test_only_npz_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(ClipError, match=r"cannot write '\.pt' clips; expected \.npz"):
            save_clip(random_clip(), tmp_path / "a.pt")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"fps": np.array(0.0)}, "frame rate 0; expected a positive"),
            ({"fps": np.array("fast")}, "no valid entry 'fps'"),
            ({"fps": np.array([60.0, 60.0])}, "no valid entry 'fps'"),
            ({"format_version": np.array(2)}, "clip format 2; expected 1"),
            ({"format_version": None}, "no valid entry 'format_version'"),
            ({"skill": np.array(1.5)}, "no valid entry 'skill'"),
            ({"skeleton": np.array("spider")}, "unknown skeleton 'spider'"),
            ({"contact": None}, "no entry 'contact'"),
            ({"root_pos": np.zeros((12, 3))}, "root_pos is float64; expected float32"),
            ({"root_pos": np.zeros(3, np.float32)}, "has shape"),
            ({"root_pos": np.float32(1.0)}, "has shape"),
        ],
    )
    def test_bad_entries(self, tmp_path: Path, change: dict, message: str) -> None:
        clip = random_clip()
        entries = {
            "format_version": 1,
            "skill": 1,
            "skeleton": "mocap",
            "fps": 60.0,
            **clip.arrays(),
            **change,
        }
        np.savez(tmp_path / "a.npz", **{name: value for name, value in entries.items() if value is not None})
        TestRefused.check(tmp_path / "a.npz", message)

    def test_flipped_bits(self, tmp_path: Path) -> None:
        save_clip(random_clip(), tmp_path / "a.npz")
        with zipfile.ZipFile(tmp_path / "a.npz") as archive:
            start = archive.getinfo("joint_rot.npy").header_offset + 200
        data = bytearray((tmp_path / "a.npz").read_bytes())
        data[start : start + 8] = bytes(byte ^ 0xFF for byte in data[start : start + 8])
        (tmp_path / "a.npz").write_bytes(data)
        TestRefused.check(tmp_path / "a.npz", "truncated or not")


class TestDirectories:
    def test_order_is_by_the_number_before_the_suffix(self, tmp_path: Path) -> None:
        names = [
            "b/001_pick_10.npz",
            "a/013_run_9.npz",
            "013_run2_005.npz",
            "009_shot.npz",
            "c/011_left_5.npz",
        ]
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            save_clip(random_clip(), tmp_path / name)
        (tmp_path / "notes 1.txt").touch()
        found = [clip.name for clip in load_clips(tmp_path)]
        assert found == ["009_shot", "013_run2_005", "011_left_5", "013_run_9", "001_pick_10"]

    def test_one_file(self, tmp_path: Path) -> None:
        save_clip(random_clip(), tmp_path / "a.npz")
        assert [clip.name for clip in load_clips(tmp_path / "a.npz")] == ["a"]

    def test_no_clip(self, tmp_path: Path) -> None:
        (tmp_path / "graph.pkl").touch()
        with pytest.raises(ClipError, match="no clip in this directory"):
            load_clips(tmp_path)

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(ClipError, match="no such file or directory"):
            load_clips(tmp_path / "none")

    def test_one_bad_clip_is_named(self, tmp_path: Path) -> None:
        save_clip(random_clip(), tmp_path / "001_a.npz")
        (tmp_path / "002_b.npz").touch()
        with pytest.raises(ClipError, match=r"002_b\.npz: truncated"):
            load_clips(tmp_path)

    def test_a_clip_beside_its_conversion_is_refused(self, tmp_path: Path) -> None:
        torch.save(mocap_table(), tmp_path / "001_a.pt")
        save_clip(random_clip(), tmp_path / "001_a.npz")
        with pytest.raises(ClipError, match=r"001_a\.pt: lies beside its own \.npz"):
            load_clips(tmp_path)


class TestPublishedClips:
    def test_ballplay(self, shared: Path) -> None:
        clips = load_clips(shared / "motions/BallPlay")
        assert [(clip.skill, clip.num_frames) for clip in clips] == [
            (9, 201),
            (11, 111),
            (12, 161),
            (13, 81),
            (13, 81),
            (31, 161),
        ]
        for clip in clips:
            expected = np.zeros(clip.num_frames)
            for first, last in BALLPLAY_LABELS[clip.name]:
                expected[first : last + 1] = 1.0
            assert (clip.contact[:, 0] == expected).all()
            assert (clip.object_rot == 0).all()

    def test_locomotion_order(self, shared: Path) -> None:
        clips = load_clips(shared / "motions/Locomotion")
        numbers = ["1", "002", "3", "004", "5", "8", "10", "12", "13", "14", "16", "17"]
        assert [clip.name.rsplit("_", 1)[1] for clip in clips] == numbers
        assert [clip.num_frames for clip in clips] == [
            201,
            91,
            251,
            51,
            211,
            226,
            141,
            196,
            171,
            211,
            211,
            201,
        ]
        assert not any(clip.contact.any() for clip in clips)

    def test_pick_up_label(self, shared: Path) -> None:
        (clip,) = load_clips(shared / "motions/BallPlay-Pick/1")
        assert np.flatnonzero(clip.contact[:, 0]).tolist() == list(range(174, 281))

    def test_noisy_ballplay_has_missing_frames(self, shared: Path) -> None:
        clips = load_clips(shared / "motions/BallPlay-noisy")
        assert [int(clip.missing.sum()) for clip in clips] == [1, 3, 1, 2, 2, 1]

    def test_parahome(self, shared: Path) -> None:
        clips = load_clips(shared / "motions/ParaHome")
        assert sum(clip.num_frames for clip in clips) == 180 + 240 + 150 + 100 + 90 + 180 + 210 + 210
        assert {clip.num_objects for clip in clips if clip.skill == 10} == {2}
        assert {clip.num_objects for clip in clips if clip.skill != 10} == {1}

    def test_every_clip_round_trips(self, shared: Path, tmp_path: Path) -> None:
        files = clip_files(shared / "motions")
        assert len(files) == 6 + 6 + 12 + 11 + 8
        for file in files:
            clip = load_clip(file)
            save_clip(clip, tmp_path / f"{file.stem}.npz")
            again = load_clip(tmp_path / f"{file.stem}.npz")
            assert same_arrays(clip, again)
            assert (again.name, again.skill, again.skeleton, again.fps) == (
                clip.name,
                clip.skill,
                clip.skeleton,
                clip.fps,
            )
            assert MotionLibrary([clip]).content_hash == MotionLibrary([again]).content_hash
