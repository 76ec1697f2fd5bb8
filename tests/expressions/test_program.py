"""Programs come from the builder alone, which lets nothing through that could do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.document import NativeDocument
from _fastpath.program import MAX_DEPTH, MAX_LOCALS, MAX_NODES, OPERATIONS, ProgramBuilder
from expressions.cel import Context, compile_expression
from expressions.errors import ExpressionSyntaxError


def test_empty_program_is_refused() -> None:
    with pytest.raises(ValueError, match="without nodes"):
        ProgramBuilder().finish()


@pytest.mark.parametrize(
    ("operation", "children", "slot"),
    [
        ("no such", (), 0),
        ("constant", (), 0),
        ("and", (0,), 0),
        ("and", (0, 1), 0),
        ("not", (-1,), 0),
        ("not", (2**40,), 0),
        ("root", (), 6),
        ("root", (), -1),
        ("local", (), MAX_LOCALS),
        ("fold", (0, 0, 0, 0, 0), MAX_LOCALS - 1),
        ("map", (0,), 0),
        ("split", (0,), 0),
        ("substring", (0, 0, 0, 0), 0),
        ("trim", (), 0),
    ],
)
def test_malformed_node_is_refused(operation: str, children: tuple[int, ...], slot: int) -> None:
    builder = ProgramBuilder()
    builder.constant(1)
    with pytest.raises((ValueError, OverflowError)):
        builder.node(operation, *children, slot=slot)


@pytest.mark.parametrize("value", [2**64, "\ud800", object(), (1,)])
def test_constant_beyond_a_document_is_refused(value: object) -> None:
    builder = ProgramBuilder()
    builder.constant(value)
    with pytest.raises(ValueError, match=r"out of range|surrogates|no value"):
        builder.finish()


def test_depth_of_a_program_is_bounded() -> None:
    builder = ProgramBuilder()
    node = builder.constant(True)
    for _ in range(MAX_DEPTH - 1):
        node = builder.node("not", node)
    with pytest.raises(ValueError, match="deeper"):
        builder.node("not", node)
    assert builder.finish().run([]) == (0, False)


def test_size_of_a_program_is_bounded() -> None:
    builder = ProgramBuilder()
    for _ in range(MAX_NODES):
        builder.constant(None)
    with pytest.raises(ValueError, match="more than"):
        builder.constant(None)


OPERANDS = {name: 3 if count < 0 else count for name, count in OPERATIONS.items()}
OPERANDS |= {"map": 2, "index_of": 2, "char_at": 2, "trim": 1}
# A loop's own operations need its accumulator; only the compiler places them.
OPEN = sorted(set(OPERATIONS) - {"constant", "local", "append"})


@given(st.data())
def test_random_programs_answer_a_value_or_an_error(data: st.DataObject) -> None:
    builder = ProgramBuilder()
    count = 2
    builder.constant(data.draw(st.sampled_from([0, 1.5, "a", b"a", True, None, [1, "a"]])))
    builder.constant({"a": {"b": 1}})
    for _ in range(data.draw(st.integers(1, 25))):
        name = data.draw(st.sampled_from(OPEN))
        children = [data.draw(st.integers(0, count - 1)) for _ in range(OPERANDS[name])]
        slot = data.draw(st.integers(0, 5))
        builder.node(name, *children, slot=slot, text="a", pattern="a")
        count += 1
    code, value = builder.finish().run([NativeDocument({"a": [1, 2]}), NativeDocument(["x"])])
    assert code == 0 or value is None


@pytest.mark.parametrize(
    "source",
    [
        "[1].exists(x, " * 25 + "true" + ")" * 25,
        "descriptors[0].x" + " + 'a'" * 5000,
        "(" * 100 + "1" + ")" * 100,
        " && ".join(["limit.name == 'a'"] * 20_000),
    ],
)
def test_expression_nested_too_deeply_is_refused(source: str) -> None:
    with pytest.raises(ExpressionSyntaxError):
        compile_expression(source, Context.LIMIT_CONDITION, strict=False)


def test_long_expression_of_small_depth_compiles() -> None:
    source = " || ".join(f"descriptors[0].k == 'v{number}'" for number in range(500))
    expression = compile_expression(source, Context.LIMIT_CONDITION, strict=True)
    assert expression.native is not None
    assert expression.native.run([NativeDocument([{"k": "v499"}])]) == (0, True)
    assert expression.native.run([NativeDocument([{"k": "v500"}])]) == (0, False)


def test_memory_of_an_evaluation_is_bounded() -> None:
    source = "request.map(a, request.map(b, a + b).size() > 0 ? request.map(c, a + c) : [])"
    expression = compile_expression(source, Context.AUTHORIZATION, strict=True)
    assert expression.native is not None
    roots = [NativeDocument(["x" * 100_000] * 60)]
    assert expression.native.run(roots)[0] == 11
