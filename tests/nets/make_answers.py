"""Saves the five nets of `keras_nets.py` and what TensorFlow answers for them.

Run by hand where TensorFlow is: `python -m tests.nets.make_answers`. The files are
committed, so that no test needs TensorFlow.
"""

import json
import os
from pathlib import Path

from .keras_nets import NETS, rows_for

FILES = Path(__file__).parent / "files"
ROWS = 16


def main() -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    found = {}
    for place, (name, make) in enumerate(NETS.items()):
        keras.utils.set_random_seed(100 + place)
        net = make(keras)
        net.save(FILES / f"tensorflow_{name}.keras")
        tensors, columns = rows_for(net, ROWS)
        given = tensors if len(tensors) > 1 else tensors[0]
        answers = net.predict(given, verbose=0)
        found[name] = {"columns": columns.tolist(), "answers": answers.tolist()}
    (FILES / "tensorflow.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
