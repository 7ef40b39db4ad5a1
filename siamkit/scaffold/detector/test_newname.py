"""The rules of plugins, one test each; `siamkit plugins check newname` lists them."""

from siamkit_newname import NewNameDetector

from siamkit.testing import parametrize_with_checks


@parametrize_with_checks([NewNameDetector()])
def test_contract(plugin, check):
    check(plugin)
