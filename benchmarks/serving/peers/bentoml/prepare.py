"""`python prepare.py FOLDER MODEL`: a joblib file that the service loads."""

import sys
from pathlib import Path

import joblib

sys.path.insert(0, str(Path(__file__).parents[1]))
import training

folder, model = Path(sys.argv[1]), sys.argv[2]
joblib.dump(training.fit(folder.parent, model), folder / "model.joblib")
