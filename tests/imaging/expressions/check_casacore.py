"""Expressions against casacore's own LEL: check_casacore.py EXPRESSION_DUMP [SEED]

What docs/expressions.md names as different from casacore is left out here: computed NaN are blanks, replace() makes valid pixels, isnan() is never blank, numbers
with an exponent D, fractiles between two values."""

import os
import sys
import tempfile

import numpy as np

from expression_oracle import evaluate, make_files, seed_of_run

program = os.path.abspath(sys.argv[1])
seed = seed_of_run()
rng = np.random.default_rng(seed)

import casacore.images  # noqa: E402

PLANES, CUBES = ["'a.fits'", "'b.fits'"], ["'cube.fits'", "'sub dir/c d.fits'"]
IMAGES = PLANES  # of one expression: casacore's functions take images of one shape only


def casacore_value(expression):
    image = casacore.images.image(expression)
    pixels, masked = image.getdata(), image.getmask()
    if np.iscomplexobj(pixels):
        pixels = np.abs(pixels)
    return np.where(masked, np.nan, pixels).astype("f8")


def some(items):
    return items[rng.integers(len(items))]


def number(depth):
    kind = rng.integers(12)
    if depth <= 0 or kind == 0:
        return some(IMAGES) if rng.random() < 0.75 else some(["2", "0.5", "1.5e0", "pi()", "e()", "3.25"])
    a, b = number(depth - 1), number(depth - 1)
    if kind <= 4:
        return f"{a}{some(['+', '-', '*'])}{b}"
    if kind == 5:
        return f"({a}){some(['+', '-', '*'])}({b})"
    if kind == 6:
        return f"{some(['abs', 'atan', 'sin', 'cos', 'ceil', 'floor', 'sign', '-', 'tanh', 'real'])}({a})"
    if kind == 7:
        return f"{some(['min', 'max', 'atan2', 'amp'])}({a},{b})"
    if kind == 8:
        return f"iif({condition(depth - 1)},{a},{b})"
    if kind == 9:
        return f"({some(IMAGES)})[{condition(depth - 1)}]"
    if kind == 10:
        # Of an even number of values above 100 casacore's median is one of the two in the middle.
        kinds = ["mean", "min", "max", "sum", "stddev", "variance", "avdev", "nelements"] + (["median"] if IMAGES is PLANES else [])
        return f"{some(kinds)}({some(IMAGES)})"
    return f"({a})^2"


def condition(depth):
    kind = rng.integers(6)
    if depth > 0 and kind == 0:
        return f"{condition(depth - 1)} && {condition(depth - 1)}"
    if depth > 0 and kind == 1:
        return f"({condition(depth - 1)}) || {condition(depth - 1)}"
    if depth > 0 and kind == 2:
        return f"!({condition(depth - 1)})"
    if kind == 3:
        return f"mask({some(IMAGES)})"
    return f"{some(IMAGES)} {some(['>', '<', '>=', '<=', '!='])} {some(['0', '1', '-1.5e0', some(IMAGES)])}"


FIXED = [
    "-'a.fits'^2", "2^3^2+'a.fits'*0", "'a.fits'*0+2^-2^2", "-2%3+'a.fits'", "'a.fits'%1.5", "round('a.fits'/2)", "'a.fits'/2*3-1-1",
    "iif(mask('a.fits'),'b.fits',0)", "iif(isnan(value('a.fits')),7,'b.fits')", "value(replace('a.fits',99))", "value(replace('a.fits','b.fits'))",
    "value('a.fits'['a.fits'>0])", "value('a.fits'['a.fits'>0]+1)", "'a.fits'['a.fits'>0]['b.fits'<2]", "pa('a.fits','b.fits')", "amp('a.fits','b.fits')",
    "complex('a.fits','b.fits')", "complex('a.fits','b.fits')^2", "real(complex('a.fits','b.fits')*complex('b.fits',1))", "imag(sin(complex('a.fits','b.fits')))",
    "arg(complex('a.fits','b.fits'))", "real(conj(complex('a.fits','b.fits'))/(1e0+2e0i))", "abs(exp(complex('a.fits','b.fits')))", "abs('a.fits'+3i)",
    "real(log(complex('a.fits','b.fits')))", "real(sqrt(complex('a.fits','b.fits')))", "'a.fits'*sum(complex('a.fits','b.fits'))",
    "'a.fits'*0+ndim('cube.fits')", "'a.fits'*0+length('cube.fits',2)", "'a.fits'*0+length('a.fits',9)", "'a.fits'*0+nelements('a.fits'['a.fits'>0])",
    "'a.fits'*0+ntrue('cube.fits'>1)", "'a.fits'*0+nfalse('cube.fits'>1)", "iif(any('a.fits'>100),1,'a.fits')", "iif(all('a.fits'>-100),1,'a.fits')",
    "'a.fits'*0+fractile('cube.fits',0)", "'a.fits'*0+fractile('cube.fits',1)", "'a.fits'*0+fractilerange('cube.fits',0,1)", "'a.fits'*0+mean(3)",
    "'a.fits'*0+nelements(3)", "AMPLITUDE('a.fits')", "'a'\".fits\"", "a.fits", "a\\.fits+b.fits", "'a.fits'+mean('cube.fits')",
    "'a.fits'+'cube.fits'", "'cube.fits'-'a.fits'", "float(pi())*'a.fits'", "log10(abs('a.fits')+1)", "asin('a.fits'/100)", "acos('a.fits'/100)", "sinh('a.fits')",
    "cosh('a.fits')", "tan('a.fits')", "exp('a.fits')", "pow('a.fits',3)", "fmod('a.fits',2)", "count('a.fits')*'a.fits'",
    "spectralindex(abs('a.fits'),abs('high.fits'))", "spectralindex(abs('high.fits'),abs('a.fits'))", "min(3,4)*'a.fits'",
]  # fmt: skip
# Ours gives 0 and 1 for these, casacore asks for numbers: it computes them by iif().
BOOLEAN = ["'a.fits'>0", "NOT ('a.fits'>0) || 'b.fits'>0", "!('a.fits'>0)", "'a.fits'>0 && 'b.fits'>0", "'a.fits'>0 || 'b.fits'>0", "mask('a.fits')", "'a.fits'!='b.fits'"]
# Refused by both.
REFUSED = [
    "'a.fits'+", "'a.fits')", "foo('a.fits')", "'a.fits'[2]", "!'a.fits'", "'a.fits'+T", "T+1", "1<2<3", "mean('a.fits'>0)*'a.fits'", "3", "mean('a.fits')",
    "iif(T,'a.fits','b.fits'>0)", "'none.fits'", "sin('a.fits','b.fits')", "'a.fits' 'b.fits'", "''", "'a.fits'>0 == T",
]  # fmt: skip

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    make_files(folder, rng)
    random = []
    for n in range(400):
        IMAGES = CUBES if n % 2 else PLANES
        random.append(f"{number(3)}+0*{IMAGES[0]}")
    asked = FIXED + random + [f"iif({text},1,0)" for text in BOOLEAN]
    ours = evaluate(program, folder, FIXED + random + BOOLEAN)
    known_finite = 0
    for text, result in zip(asked, ours):
        try:
            expected = casacore_value(text)
        except RuntimeError as error:
            raise AssertionError(f"casacore refuses {text}: {error}")
        assert not isinstance(result, str), (text, result)
        pixels = result[0][0]
        assert pixels.shape == expected.shape, (text, pixels.shape, expected.shape)
        scale = np.nanmax(np.abs(expected)) if np.isfinite(expected).any() else 1
        tolerance = 2e-5 * np.abs(np.nan_to_num(expected)) + 2e-6 * scale
        wrong = ~((np.isnan(pixels) & np.isnan(expected)) | (np.abs(pixels - expected) <= tolerance))
        assert not wrong.any(), (text, pixels[wrong][:3], expected[wrong][:3])
        known_finite += np.isfinite(expected).sum()
    for text, result in zip(REFUSED, evaluate(program, folder, REFUSED)):
        assert isinstance(result, str), text
        try:
            casacore_value(text)
        except RuntimeError:
            continue
        raise AssertionError(f"casacore takes {text}")
    print(len(asked), "expressions,", known_finite, "finite pixels;", len(REFUSED), "refused by both")
    assert known_finite > 5000
