"""A recorded program loses what changes nothing, and nothing else."""

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from ganbench.engine.tracing import prune


def calls(program):
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


def pruned(function, *args):
    """The operations that are left; that the program still gives what the function gives is checked here."""
    program = prune(make_fx(function)(*args))
    torch.testing.assert_close(program(*args), function(*args), rtol=0, atol=0)
    return calls(program)


X = torch.arange(12.0).reshape(3, 4)


def test_a_view_of_the_same_shape_is_dropped():
    assert pruned(lambda x: x.view(3, 4).expand(3, 4).permute(0, 1) + 1, X) == ["aten.add.Tensor"]


def test_a_view_that_moves_something_stays():
    assert pruned(lambda x: x.view(4, 3) + 1, X) == ["aten.view.default", "aten.add.Tensor"]
    assert pruned(lambda x: x.expand(2, 3, 4) + 1, X) == ["aten.expand.default", "aten.add.Tensor"]


def test_a_square_that_is_transposed_stays():
    assert pruned(lambda x: x.transpose(0, 1) + 1, X[:, :3]) == ["aten.transpose.int", "aten.add.Tensor"]


def test_a_multiplication_by_one_is_dropped_and_by_another_number_stays():
    assert pruned(lambda x: torch.ops.aten.mul.Scalar(x, 1) + 1, X) == ["aten.add.Tensor"]
    assert pruned(lambda x: torch.ops.aten.mul.Scalar(x, 2) + 1, X) == ["aten.mul.Scalar", "aten.add.Tensor"]


def test_a_multiplication_by_one_that_lays_out_anew_or_changes_the_type_stays():
    assert "aten.mul.Scalar" in pruned(lambda x: torch.ops.aten.mul.Scalar(x, 1) + 1, X[:, ::2])
    assert "aten.mul.Scalar" in pruned(lambda x: torch.ops.aten.mul.Scalar(x, 1.0) + 1, X.long())


def test_what_is_undone_at_once_is_dropped():
    assert pruned(lambda x: x.neg().neg() + 1, X) == ["aten.add.Tensor"]
    assert pruned(lambda x: x.transpose(0, 1).transpose(0, 1) + 1, X) == ["aten.add.Tensor"]


def test_what_is_done_once_or_to_other_axes_stays():
    assert pruned(lambda x: -x + 1, X) == ["aten.neg.default", "aten.add.Tensor"]
    assert pruned(lambda x: x.neg().neg().neg() + 1, X) == ["aten.neg.default", "aten.add.Tensor"]
    cube = torch.arange(8.0).reshape(2, 2, 2)
    assert pruned(lambda x: x.transpose(0, 1).transpose(1, 2) + 1, cube).count("aten.transpose.int") == 2


def test_what_was_computed_before_is_not_computed_again():
    assert pruned(lambda x: x.exp() + x.exp(), X) == ["aten.exp.default", "aten.add.Tensor"]
    assert calls(prune(make_fx(lambda x: x.sum(0) + x.sum(1)[:1])(X))).count("aten.sum.dim_IntList") == 2


def test_results_of_one_call_are_told_apart():
    left = pruned(lambda x: x.max(1)[0] + x.max(1)[1], X)
    assert left.count("aten.max.dim") == 1
    assert len([c for c in left if "getitem" in c]) == 2


def test_what_nobody_reads_is_dropped():
    def function(x):
        x.exp()
        return x + 1

    assert pruned(function, X) == ["aten.add.Tensor"]


def test_a_program_that_writes_is_left_alone():
    def function(x):
        y = x.clone()
        y.view(3, 4).add_(1)
        return y + y.clone()

    program = make_fx(function)(X)
    before = calls(program)
    assert calls(prune(program)) == before
    torch.testing.assert_close(program(X), 2 * (X + 1))
