"""Every built-in estimator family keeps the contract."""

import pytest

from studio.automl.boosters import HistGradientBoosting, LightGBM, XGBoost
from studio.automl.clusters import GaussianMixtureFamily, HDBSCANFamily, KMeansFamily
from studio.automl.estimators import EstimatorFamily, installed_families
from studio.automl.forests import ExtraTrees, RandomForest
from studio.automl.linear import LinearRegressionFamily, LogisticRegressionFamily
from studio.automl.naive import Naive, SeasonalNaive
from studio.automl.neural import NeuralNetwork
from studio.testing.estimator_family_contract import EstimatorFamilyContract


class _Bound(EstimatorFamilyContract):
    bound: type[EstimatorFamily]

    @pytest.fixture
    def family(self):
        return self.bound()


class TestLightGBM(_Bound):
    bound = LightGBM


class TestXGBoost(_Bound):
    bound = XGBoost


class TestHistGradientBoosting(_Bound):
    bound = HistGradientBoosting


class TestRandomForest(_Bound):
    bound = RandomForest


class TestExtraTrees(_Bound):
    bound = ExtraTrees


class TestLogisticRegression(_Bound):
    bound = LogisticRegressionFamily


class TestLinearRegression(_Bound):
    bound = LinearRegressionFamily


class TestNeuralNetwork(_Bound):
    bound = NeuralNetwork


class TestKMeans(_Bound):
    bound = KMeansFamily


class TestGaussianMixture(_Bound):
    bound = GaussianMixtureFamily


class TestHDBSCAN(_Bound):
    bound = HDBSCANFamily


class TestNaive(_Bound):
    bound = Naive


class TestSeasonalNaive(_Bound):
    bound = SeasonalNaive


def test_every_built_in_family_is_bound():
    built_in = {type(f) for f in installed_families().values() if type(f).__module__.startswith("studio.")}
    assert built_in == {bound.bound for bound in _Bound.__subclasses__()}
