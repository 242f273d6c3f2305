"""`run.py graph`: build, info and draw."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from hoigym.core.errors import UserError
from hoigym.motions import graph_files as graph_commands
from hoigym.motions.formats import save_clip
from hoigym.motions.graph import GraphError, TrajectoryGraph
from hoigym.motions.graph_build import build_graph
from hoigym.motions.graph_draw import draw_graph, link_decades
from tests.motions.graph_clips import SETTINGS, WITHIN, skill_clips


@pytest.fixture
def clip_dir(tmp_path: Path) -> Path:
    """Five clips of four skills as files."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for number, clip in enumerate(skill_clips()):
        save_clip(clip, folder / f"{clip.skill:03d}_{number}.npz")
    return folder


def test_build_then_info(clip_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "graph.npz"
    graph = graph_commands.build(clip_dir, out, within_skill=True)
    assert "graph.npz" in capsys.readouterr().out
    assert TrajectoryGraph.load(out).num_links == graph.num_links
    graph_commands.info(out, clip_dir)
    text = capsys.readouterr().out
    assert "5 clips, 55 frames" in text
    assert graph.content_hash in text
    assert "key_pos 20" in text
    assert "other clips of its own" in text
    rows = [line.split() for line in text.splitlines() if line[:1].isspace()]
    assert [row[:3] for row in rows if row[:2] == ["7", "9"]] == [["7", "9", "20"]]
    assert len(rows) == 16


def test_info_refuses_other_clips(clip_dir: Path, tmp_path: Path) -> None:
    graph_commands.build(clip_dir, tmp_path / "graph.npz")
    (clip_dir / "009_4.npz").unlink()
    with pytest.raises(GraphError, match="built from 5 clips, 4 are loaded"):
        graph_commands.info(tmp_path / "graph.npz", clip_dir)


def test_nothing_is_overwritten_unasked(clip_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.npz"
    graph_commands.build(clip_dir, out)
    with pytest.raises(UserError, match="exists already"):
        graph_commands.build(clip_dir, out)
    before = out.stat().st_mtime_ns
    graph_commands.build(clip_dir, out, overwrite=True)
    assert out.stat().st_mtime_ns > before
    (tmp_path / "graph.png").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        graph_commands.draw(out, tmp_path / "graph.png")


def test_bad_requests(clip_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.npz"):
        graph_commands.build(clip_dir, tmp_path / "graph.pkl")
    with pytest.raises(UserError, match="device 'gpu' is not here"):
        graph_commands.build(clip_dir, tmp_path / "graph.npz", device="gpu")
    with pytest.raises(UserError, match="no such file"):
        graph_commands.build(tmp_path / "none", tmp_path / "graph.npz")
    assert not (tmp_path / "graph.npz").exists()


def test_decades_are_those_of_the_links() -> None:
    graph = build_graph(skill_clips(), WITHIN)
    decades = link_decades(graph)
    assert decades.shape == (55, 4)
    skills = graph.clip_skill.unique().tolist()
    for slot in range(graph.target_clip.shape[1]):
        for row in np.flatnonzero(graph.similarity[:, slot].numpy()):
            column = skills.index(int(graph.clip_skill[graph.target_clip[row, slot]]))
            assert decades[row, column] == pytest.approx(np.log10(float(graph.similarity[row, slot])))
    assert np.isfinite(decades).sum() == graph.num_links


def test_picture_shows_the_links(tmp_path: Path) -> None:
    graph = build_graph(skill_clips(), SETTINGS)
    draw_graph(graph, tmp_path / "graph.png")
    picture = imread(tmp_path / "graph.png")[..., :3]
    assert picture.shape[0] > 500
    assert picture.shape[1] > 1000
    coloured = np.ptp(picture, axis=2) > 0.2
    assert coloured[:, : picture.shape[1] // 2].mean() > 0.01  # arrows and bars
    assert coloured[:, picture.shape[1] // 2 :].mean() > 0.05  # strips
    draw_graph(graph, tmp_path / "graph.svg")
    graph.clip_names = (r"5$ a \clip $", *graph.clip_names[1:])
    draw_graph(graph, tmp_path / "names.png")
    with pytest.raises(GraphError, match="cannot draw '.bmp' pictures"):
        draw_graph(graph, tmp_path / "graph.bmp")
