"""Nothing that can be sent makes the service fail, or answer what its document does not say."""

import pytest

from tests.contract.fuzzing import fuzz
from tests.contract.published import needs_contract
from tests.training_metrics.conftest import Server

pytestmark = [needs_contract, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(place):
    server = Server(place.app)
    yield server
    server.close()


@pytest.mark.timeout(3600)
def test_it_holds_whatever_is_sent(place, server, pytestconfig, capsys):
    found = fuzz(place, server, pytestconfig.getoption("cases"))
    with capsys.disabled():
        print(f"\n{found.cases.total()} calls: {dict(found.cases)}, answered {dict(sorted(found.statuses.items()))}")
    assert not found.faults, "\n\n".join(f"{' '.join(key)}: {text}" for key, text in sorted(found.faults.items()))
