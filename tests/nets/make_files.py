"""Makes the small files in `files/`: real ones, as PyTorch and Keras write them.

Run by hand where both libraries are: `python -m tests.nets.make_files`. They are
committed so that the gates are tested everywhere against what the libraries write.
"""

import os
from pathlib import Path

FILES = Path(__file__).parent / "files"


def make_torch() -> None:
    """A net of two layers in each of the ways that PyTorch can save it."""
    import torch

    torch.manual_seed(7)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8),
        torch.nn.ReLU(),
        torch.nn.Linear(8, 3),
        torch.nn.Softmax(dim=1),
    ).eval()
    example = torch.zeros(2, 4)
    rows = ({0: torch.export.Dim("rows")},)
    program = torch.export.export(net, (example,), dynamic_shapes=rows)
    torch.export.save(program, FILES / "net.pt2")
    torch.jit.script(net).save(str(FILES / "script.pt"))
    torch.save(net.state_dict(), FILES / "weights.pth")
    torch.save(net, FILES / "module.pt")
    torch.save(net.state_dict(), FILES / "old.pt", _use_new_zipfile_serialization=False)


def make_keras() -> None:
    """The same in Keras, and a net with a Lambda layer."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(7)
    net = keras.Sequential(
        [
            keras.Input((4,), name="rows"),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    net.save(FILES / "net.keras")
    net.save(FILES / "net.h5")
    code = keras.Sequential(
        [
            keras.Input((4,)),
            # From text, so that the file holds no path of the one who made it.
            keras.layers.Lambda(eval("lambda rows: rows * 2")),  # noqa: S307
        ]
    )
    code.save(FILES / "lambda.keras")


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    make_torch()
    make_keras()
