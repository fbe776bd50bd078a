"""Every test starts from the same seed, on one thread, so that a failure repeats."""

import pytest
import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def pytest_configure(config):
    config.addinivalue_line("markers", "bad_input: hands the package what it must refuse")
    torch.set_num_threads(1)


def pytest_report_header():
    return f"devices under test: {', '.join(DEVICES)}"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param
