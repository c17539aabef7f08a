"""Read data/test_features.csv, write submission.csv: python main.py, wherever the bundle was unpacked."""

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER / "src"))
    sys.dont_write_bytecode = True
    os.chdir(FOLDER)

    from abstractor.base.script import run_script
    from abstractor.handoff import bundle

    run_script(bundle.main, private=bundle.PRIVATE)
