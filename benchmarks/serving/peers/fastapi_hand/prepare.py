"""`python prepare.py FOLDER MODEL`: a pickle, as tutorials save it."""

import pickle
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import training

folder, model = Path(sys.argv[1]), sys.argv[2]
with (folder / "model.pkl").open("wb") as file:
    pickle.dump(training.fit(folder.parent, model), file)
(folder / "columns.txt").write_text(
    "\n".join(training.table(folder.parent, model).columns[:-1])
)
