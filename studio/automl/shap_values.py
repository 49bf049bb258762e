"""SHAP values of a fitted blend in terms of the user's columns, whatever those were encoded to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from studio.automl.calibration import Calibration
from studio.automl.columns import Cells
from studio.automl.exact_shap import ExactShap, find_exact_shap
from studio.automl.pipeline import Blend, BlendClassifier, BlendClusterer, BlendForecaster, Member
from studio.automl.sampled_shap import predictions_per_row, sample_shap

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Explanation:
    """SHAP values of some rows.

    Attributes:
        values: Of shape (n_rows, n_columns, n_outputs), columns as the user has them.
        base: Of shape (n_outputs,); with the values of a row it adds up to the row's output.
    """

    values: FloatArray
    base: FloatArray


class BlendExplainer:
    """Explains rows by a blend's output: a number, or one for the second of two classes, or one for each of more.

    Of a forecast it is the distance from the seasonal naive one; of clusters it is 1 for the row's own, else 0.

    Exact values are taken where they are known of every member and may be added: in numbers, in probabilities, and
    in the log-odds of a member that is alone. What several members say in log-odds does not add up to what they say
    together; that is sampled, on the probabilities. Calibration divides log-odds by its temperature, which leaves their
    values exact; calibrated probabilities are sampled.

    Attributes:
        explainer: ``tree``, ``linear``, ``linear+tree`` or ``permutation``.
        output: What base and values add up to: ``prediction``, ``probability`` and ``log_odds`` as in ``ExactShap``,
            ``distance`` of a forecast, ``membership`` in each cluster.
        clusters: Numbers of the clusters that the outputs stand for, empty for models of other kinds.
        is_exact: Whether the values are not sampled.
        n_background: Rows that a row is compared with; 0 for trees, which know how many training rows went where.
    """

    def __init__(
        self,
        blend: Blend,
        background: Cells,
        n_columns: int,
        *,
        n_sampled: int,
        seed: int,
    ) -> None:
        """
        Args:
            blend: The fitted model behind a pipeline's columns.
            background: Training rows, some hundred; linear models are compared with their mean.
            n_columns: Number of the user's columns.
            n_sampled: With how many of these rows a row is compared where values are sampled.
            seed: Of the orders that are sampled.
        """
        self._blend, self._background, self._n_columns, self._seed = blend, background, n_columns, seed
        self._sampled = background.take(np.arange(min(n_sampled, len(background.values))))
        self._n_classes = blend.members[0].n_classes
        calibration = blend.calibration if isinstance(blend, BlendClassifier) else Calibration()
        self._temperature = calibration.temperature
        self._exact = [self._find_exact(member) for member in blend.members]
        kinds = {exact.kind for exact in self._exact if exact is not None and exact.kind != "constant"}
        outputs = {exact.output for exact in self._exact if exact is not None}
        self.is_exact = (
            None not in self._exact
            and len(outputs) == 1
            and (self._is_alone() if "log_odds" in outputs else self._temperature == 1.0)
        )
        self.clusters = np.unique(blend.predict(background)) if isinstance(blend, BlendClusterer) else np.empty(0)
        whole = "probability" if self._n_classes else "membership" if len(self.clusters) else "prediction"
        self.explainer, self.output, self.n_background = "permutation", whole, len(self._sampled.values)
        if self.is_exact:
            self.explainer, self.output = "+".join(sorted(kinds)), outputs.pop()
            self.n_background = len(background.values) if "linear" in kinds else 0
        if isinstance(blend, BlendForecaster):
            self.output = "distance"

    def explain(self, rows: Cells, numbers: IntArray) -> Explanation:
        """Explain rows.

        Args:
            rows: The cells of the rows.
            numbers: Of each row, from 0: what is sampled for a row depends on it and on the seed alone.
        """
        if not self.is_exact:
            seeds = (self._seed * 1_000_003 + numbers) % 2**32
            used = self._used_columns()
            return Explanation(*sample_shap(self._predict, rows, self._sampled, used, self._n_columns, seeds=seeds))
        parts = [
            self._explain_member(member, exact, rows)
            for member, exact in zip(self._blend.members, self._exact, strict=True)
            if exact is not None
        ]
        values: FloatArray = np.sum(
            [w * part.values for w, part in zip(self._blend.weights, parts, strict=True)], axis=0
        )
        base: FloatArray = np.sum([w * part.base for w, part in zip(self._blend.weights, parts, strict=True)], axis=0)
        return Explanation(values / self._temperature, base / self._temperature)

    def _is_alone(self) -> bool:
        """Whether one member knows all classes: its log-odds are then the blend's."""
        members = self._blend.members
        return len(members) == 1 and len(members[0].present) == self._n_classes

    def _find_exact(self, member: Member) -> ExactShap | None:
        if member.estimator is None:
            return ExactShap("constant", "probability", lambda X: (np.zeros((*X.shape, 1)), np.ones(1)))
        if member.target is not None:  # exact values add up to the logarithm
            return None
        n_predictions = predictions_per_row(self._n_columns, len(self._sampled.values))
        matrix = member.encoder.transform(self._background)
        return find_exact_shap(member.estimator, matrix, n_predictions=n_predictions)

    def _used_columns(self) -> IntArray:
        """Columns that some member's encoder found to vary."""
        sources = [member.encoder.sources_ for member in self._blend.members if member.estimator is not None]
        found: IntArray = np.unique(np.concatenate([*sources, np.empty(0, dtype=np.int64)]))
        return found

    def _predict(self, rows: Cells) -> FloatArray:
        blend = self._blend
        whole = blend.predict_proba(rows) if isinstance(blend, BlendClassifier) else blend.blend(rows)
        outputs = whole.reshape(len(rows.values), -1)
        if len(self.clusters):
            return np.asarray(outputs.round() == self.clusters, dtype=np.float64)
        return outputs[:, 1:] if self._n_classes == 2 else outputs

    def _explain_member(self, member: Member, exact: ExactShap, rows: Cells) -> Explanation:
        """By the user's columns, and by the blend's outputs where they are probabilities."""
        encoded, base = exact.explain(member.encoder.transform(rows))
        n_rows, n_encoded, n_outputs = encoded.shape
        places = (np.ones(n_encoded), (np.arange(n_encoded), member.encoder.sources_))
        by_column = csr_array(places, shape=(n_encoded, self._n_columns))
        flat = encoded.transpose(0, 2, 1).reshape(-1, n_encoded) @ by_column
        values = flat.reshape(n_rows, n_outputs, self._n_columns).transpose(0, 2, 1)
        if exact.output != "probability":
            return Explanation(values, base)
        wide = Explanation(np.zeros((n_rows, self._n_columns, self._n_classes)), np.zeros(self._n_classes))
        wide.values[:, :, member.present], wide.base[member.present] = values, base
        return Explanation(wide.values[:, :, 1:], wide.base[1:]) if self._n_classes == 2 else wide
