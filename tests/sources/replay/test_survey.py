"""What must be known of recordings before they are played."""

from __future__ import annotations

from pathlib import Path

from numbered import ticks

from tickerkit.log import Gap, gap_frame
from tickerkit.sources.replay.survey import survey
from tickerkit.storage import write_csv
from tickerkit.storage.between_files import ELSEWHERE
from tickerkit.storage.paths import recordings_in


def test_gap_whose_ticks_another_file_has_is_no_gap_of_the_replay(tmp_path: Path) -> None:
    """In a folder split by day, a late tick is in the file of another day."""
    for day, seqs, missing in ((28, (1, 2, 4, 5), (3, 3)), (29, (3, 6, 7), (4, 5))):
        path = tmp_path / f"day=2026-11-{day}" / "t.csv"
        write_csv(ticks(*seqs), path, gaps=gap_frame([Gap("e1", *missing, ELSEWHERE)]))
    assert not any(each.gaps for each in survey(recordings_in(tmp_path)))
    path.unlink()
    [left] = survey(recordings_in(tmp_path))
    assert [gap.first for gap in left.gaps] == [3]
