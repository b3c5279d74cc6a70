"""Write the golden files anew from this tree's code: python tests/golden/contract/record.py (about a minute)."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "src"), str(HERE.parents[2])]


def golden(name: str) -> Any:
    """What a golden file says."""
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def record() -> None:
    """Collect everything and write one file each."""
    from declared import collect
    from observed import observe

    with tempfile.TemporaryDirectory() as folder:
        files = {**collect(), **observe(Path(folder))}
    for name, content in files.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=False)
        (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
