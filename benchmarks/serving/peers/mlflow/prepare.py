"""`python prepare.py FOLDER MODEL`: a saved model that answers probabilities.

MLflow serves one function of a model, so the class is the larger probability.
"""

import sys
from pathlib import Path

import mlflow
from mlflow.models import infer_signature

sys.path.insert(0, str(Path(__file__).parents[1]))
import training

folder, model = Path(sys.argv[1]), sys.argv[2]
fitted = training.fit(folder.parent, model)
example = training.table(folder.parent, model).drop(columns="target").iloc[:5]
mlflow.sklearn.save_model(
    fitted,
    folder / "model",
    pyfunc_predict_fn="predict_proba",
    signature=infer_signature(example, fitted.predict_proba(example)),
    serialization_format="cloudpickle",
    pip_requirements=["scikit-learn"],
)
