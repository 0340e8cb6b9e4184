"""Random expressions against numpy: check_numpy.py EXPRESSION_DUMP [SEED]

Expressions are made as trees, written down with or without the parentheses that precedence spares, and computed by numpy with the rules of docs/expressions.md:
values in float64, NaN for blanks, booleans as floats 0, 1 and NaN."""

import sys
import tempfile

import numpy as np

from expression_oracle import evaluate, make_files, seed_of_run

np.seterr(all="ignore")
program = sys.argv[1]
seed = seed_of_run()
rng = np.random.default_rng(seed)

NAMES = {"a.fits": ["a.fits", "'a.fits'", '"a.fits"', "a\\.fits"], "b.fits": ["b.fits"], "cube.fits": ["cube.fits"], "double.fits": ["double.fits"],
         "sub dir/c d.fits": ["'sub dir/c d.fits'", "sub\\ dir\\/c\\ d.fits", "\"sub dir\"'/c d.fits'"]}  # fmt: skip

# Strengths of operators, as in the grammar.
OR, AND, COMPARISON, SUM, PRODUCT, SIGN, NOT, POWER, PRIMARY = range(9)


class Tree:
    """`strength`: how tightly its outermost operator binds; `value`: of numpy; `loose`: float32 rounding that may be in it, relative to `scale`."""

    def __init__(self, text, strength, value, scale=None):
        self.text, self.strength, self.value = text, strength, np.asarray(value, "f8")
        self.scale = np.nan_to_num(np.abs(self.value), nan=0, posinf=0, neginf=0) if scale is None else scale


def within(tree, strength):
    return tree.text if tree.strength >= strength and rng.random() < 0.8 else f"({tree.text})"


def space():
    return " " * int(rng.integers(0, 2))


def blank_if(*values):
    blank = False
    for value in values:
        blank = blank | np.isnan(value)
    return blank


def binary(symbol, strength, a, b, value, scale=None, right=False):
    left_strength, right_strength = (strength + 1, strength) if right else (strength, strength + 1)
    if strength == COMPARISON:
        left_strength = SUM
    text = f"{within(a, left_strength)}{space()}{symbol}{space()}{within(b, right_strength)}"
    return Tree(text, strength, value, scale)


def literal():
    kind = rng.integers(4)
    value = round(float(rng.uniform(0.1, 5)), 2)
    if kind == 0:
        return Tree(str(int(value) + 1), PRIMARY, int(value) + 1)
    if kind == 1:
        return Tree(f"{value:.2f}", PRIMARY, value)
    if kind == 2:
        return Tree(f"{value * 100:.0f}d-2", PRIMARY, float(f"{value * 100:.0f}") / 100)
    return Tree("pi()", PRIMARY, np.pi)


def image():
    name = list(NAMES)[rng.integers(len(NAMES))]
    return Tree(NAMES[name][rng.integers(len(NAMES[name]))], PRIMARY, images[name])


def call(name, value, *arguments, scale=None):
    spelled = name.upper() if rng.random() < 0.2 else name
    return Tree(f"{spelled}({(',' + space()).join(argument.text for argument in arguments)})", PRIMARY, value, scale)


def reduction(a):
    values = np.broadcast_to(a.value, np.broadcast_shapes(a.value.shape, (1, 1, 1)))
    values = values[np.isfinite(values)]
    if values.size < 2 or values.size == a.value.size == 1:
        return Tree("1", PRIMARY, 1)
    kinds = {
        "min": values.min(), "max": values.max(), "mean": values.mean(), "sum": values.sum(), "median": np.median(values), "nelements": values.size,
        "variance": values.var(ddof=1), "stddev": values.std(ddof=1), "avdev": np.abs(values - values.mean()).mean()}  # fmt: skip
    name = list(kinds)[rng.integers(len(kinds))]
    largest = np.abs(values).max()
    scale = values.size * largest if name == "sum" else largest**2 if name == "variance" else largest
    if rng.random() < 0.2:
        fraction = round(float(rng.random()), 2)
        return call("fractile", np.quantile(values, fraction), a, Tree(f"{fraction:.2f}", PRIMARY, fraction), scale=largest)
    return call(name, kinds[name], a, scale=scale)


def number(depth):
    choice = rng.random()
    if depth <= 0 or choice < 0.1:
        return image() if rng.random() < 0.75 else literal()
    a = number(depth - 1)
    if choice < 0.5:
        b = number(depth - 1)
        kind = rng.integers(5)
        if kind == 0:
            return binary("+", SUM, a, b, a.value + b.value, a.scale + b.scale)
        if kind == 1:
            return binary("-", SUM, a, b, a.value - b.value, a.scale + b.scale)
        if kind == 2:
            return binary("*", PRODUCT, a, b, a.value * b.value, a.scale * b.scale)
        if kind == 3:
            return call("min", np.where(blank_if(a.value, b.value), np.nan, np.minimum(a.value, b.value)), a, b, scale=a.scale + b.scale)
        return call("max", np.where(blank_if(a.value, b.value), np.nan, np.maximum(a.value, b.value)), a, b, scale=a.scale + b.scale)
    if choice < 0.6:
        kind = rng.integers(5)
        if kind == 0:
            return Tree(f"-{space()}{within(a, SIGN)}", SIGN, -a.value, a.scale)
        if kind == 1:
            return call("abs", np.abs(a.value), a, scale=a.scale)
        if kind == 2:
            return call("atan", np.arctan(a.value), a, scale=a.scale)
        if kind == 3:
            return call("tanh", np.tanh(a.value), a, scale=a.scale)
        return binary("^", POWER, a, Tree("2", PRIMARY, 2), a.value**2, a.scale**2, right=True)
    if choice < 0.7:
        test = condition(depth - 1)
        return Tree(f"{within(a, PRIMARY) if a.strength == PRIMARY else '(' + a.text + ')'}[{test.text}]", PRIMARY,
                    np.where(test.value == 1, a.value, np.nan), a.scale + 0 * np.nan_to_num(test.value)) if a.value.size > 1 else a  # fmt: skip
    if choice < 0.8:
        test, b = condition(depth - 1), number(depth - 1)
        value = np.where(test.value == 1, a.value, np.where(test.value == 0, b.value, np.nan))
        return call("iif", value, test, a, b, scale=a.scale + b.scale)
    if choice < 0.9:
        b = number(depth - 1)
        return call("replace", np.where(np.isnan(a.value), b.value, a.value), a, b, scale=a.scale + b.scale)
    return reduction(a)


def condition(depth):
    choice = rng.random()
    if depth > 0 and choice < 0.3:
        a, b = condition(depth - 1), condition(depth - 1)
        x, y = a.value, b.value
        if rng.random() < 0.5:
            return binary("&&", AND, a, b, np.where((x == 0) | (y == 0), 0, np.where((x == 1) & (y == 1), 1, np.nan)))
        return binary("||", OR, a, b, np.where((x == 1) | (y == 1), 1, np.where((x == 0) & (y == 0), 0, np.nan)))
    if depth > 0 and choice < 0.4:
        a = condition(depth - 1)
        return Tree(f"!{within(a, NOT)}", NOT, 1 - a.value)
    if choice < 0.5:
        a = number(0)
        name = ["isnan", "mask"][rng.integers(2)]
        return call(name, (np.isnan(a.value) == (name == "isnan")).astype("f8"), a)
    # Values without rounding, so that both sides agree on them: plain images and numbers that both precisions hold.
    a = image()
    limit = int(rng.integers(-2, 3))
    symbol = [">", ">=", "<", "<=", "==", "!="][rng.integers(6)]
    compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal}[symbol]
    b = Tree(str(limit), PRIMARY if limit >= 0 else SIGN, limit) if rng.random() < 0.6 else image()
    x, y = a.value, b.value
    return binary(symbol, COMPARISON, a, b, np.where(blank_if(x, y), np.nan, compare(x, y)))


with tempfile.TemporaryDirectory() as folder:
    images = make_files(folder, rng)
    trees = []
    while len(trees) < 1500:
        tree = number(int(rng.integers(1, 5))) if rng.random() < 0.85 else condition(3)
        if tree.value.size > 1 and tree.scale.max() < 1e30:
            trees.append(tree)
    compared = 0
    for tree, result in zip(trees, evaluate(program, folder, [tree.text for tree in trees])):
        assert not isinstance(result, str), (tree.text, result)
        pixels = result[0][0]
        expected = tree.value
        assert pixels.shape == expected.shape, (tree.text, pixels.shape, expected.shape)
        # A fractile or a condition does not jump by a rounding here; the scale says what was cancelled.
        tolerance = 3e-5 * np.broadcast_to(tree.scale, expected.shape) + 3e-5 * np.nan_to_num(np.abs(expected)) + 1e-6
        wrong = ~((np.isnan(pixels) & np.isnan(expected)) | (np.abs(pixels - expected) <= tolerance))
        assert not wrong.any(), (tree.text, pixels[wrong][:3], expected[wrong][:3])
        compared += np.isfinite(expected).sum()
    print(len(trees), "expressions,", compared, "finite pixels")
    assert compared > 10000
