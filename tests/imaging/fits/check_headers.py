"""Headers as careless writers leave them: where astropy opens the image, so do we, with the same pixels and the same cards that are sound.

    check_headers.py FITS_DUMP [SEED] [ROUNDS]
"""
import json, os, subprocess, sys, tempfile, warnings
import numpy as np

warnings.simplefilter("ignore")
from astropy import log
from astropy.io import fits

log.setLevel("ERROR")
DUMP = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20240612
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 150
rng = np.random.default_rng(SEED)
work = tempfile.TemporaryDirectory(prefix="cubelink-headers-")
PATH, OUT = os.path.join(work.name, "image.fits"), os.path.join(work.name, "pixels.raw")
failures, checks = [], 0
DATA = np.arange(63, dtype="i2").reshape(7, 9)
BODY = DATA.astype(">i2").tobytes()
SIMPLE = "SIMPLE  =                    T"
CARDS = ["BITPIX  =                   16", "NAXIS   =                    2", "NAXIS1  =                    9", "NAXIS2  =                    7", "OBJECT  = 'M 51    '           / a galaxy",
         "EXPTIME =                 12.5"]
EXTENSION = ["XTENSION= 'IMAGE   '", *CARDS, "PCOUNT  =                    0", "GCOUNT  =                    1"]


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        failures.append(what)
        print("FAILED:", what)
    return condition


def record(card):
    return (card if isinstance(card, bytes) else card.encode("latin1")).ljust(80)[:80]


def block(cards, end=b"END", padding=b" "):
    header = b"".join(map(record, cards)) + (end.ljust(80) if len(end) < 80 else end)
    return header + padding * (-len(header) % 2880)


def padded(data=BODY):
    return data + bytes(-len(data) % 2880)


def by_astropy(number):
    try:
        with fits.open(PATH) as file:
            data = file[number].data
            sound = {}
            for card in file[number].header.cards:
                try:
                    if card.keyword in ("OBJECT", "EXPTIME"):
                        sound[card.keyword] = card.value
                except Exception:
                    pass
            return None if data is None or data.ndim < 2 or data.size == 0 else (data.astype("f8"), sound)
    except Exception:
        return None


def compare(what, content, number=0, cards=True):
    """Whatever astropy opens must open; what it refuses may open or be refused, with a message. `cards`: compare what its cards say, too."""
    with open(PATH, "wb") as file:
        file.write(content)
    expected = by_astropy(number)
    done = subprocess.run([DUMP, "pixels", PATH, str(number), OUT, "d"], capture_output=True, text=True, timeout=60)
    check(done.returncode in (0, 1) and (done.returncode == 0 or done.stderr.strip()), f"{what}: ends with {done.returncode} {done.stderr}")
    if expected is None:
        return False
    data, sound = expected
    if not check(done.returncode == 0, f"{what}: astropy opens it, we say: {done.stderr.strip()}"):
        return True
    check(np.array_equal(np.fromfile(OUT, "<f8"), data.ravel(), equal_nan=True), f"{what}: pixels")
    shown = {entry["name"]: entry for entry in json.loads(subprocess.run([DUMP, "info", PATH, str(number)], capture_output=True, text=True).stdout)["header"]}
    if b"CONTINUE  'of nothing'" in content:
        cards = False  # astropy joins it to the string before, which does not end with &; to the standard it is a comment
    for name, value in sound.items() if cards else ():
        entry = shown.get(name)
        check(entry is not None and (entry["number"] == value if isinstance(value, (int, float)) else entry["value"] == value), f"{what}: {name} {entry} {value!r}")
    return True


PLACED = [  # instead of a sound card, or beside them
    "CLFIND2D: contour = 0.30", "Just some random text.", "A" * 80, "", "lower   =                    5", "Mixed   = 'x'", "CONTINUE  'of nothing'", "CONTINUE", "LONG    = 'it goes on &'", "NOSPACE =5",
    "SLASH   = 5 and no slash", "OPEN    = 'never closed", "NUL     = 'a\0b'", b"LATIN   = 'caf\xe9'", b"BYTES   = \xff\xfe\x00", "TAB\t    = 5", "HIERARCH ESO TEL ALT = 45.0", "HIERARCH no equals sign", "COMMENT  'x",
    "COMMENT = 5", "HISTORY", "BLANK   = 'none'", "BSCALE  =", "EXPTIME =                 12.5", "OBJECT  =                    5", "KEY WORD= 5", "K       = 1.5D3", "K       = 1.5d3", "K       = .5.5", "K       = 1E999",
    "K       = (1.0, 2.0)", "K       = T / true", "K       = TRUE", "=       = 5", "        = 5", "END_OF  = 5", "ENDING  = 5", "END-HERE= 5", "NAXIS3  = 5", "EXTEND  = T", "EXTEND  = 'yes'", "BZERO   = 5.0 / shift", "DATE-OBS= 5",
    "CTYPE1  = 5", "CRVAL1  = 1,5", "'       = 5", "K=5", "K       = 'a''b' / c", "K       = ''", "K       = '", "K       =        5  /", "\0\0\0\0\0\0", "\xff" * 80, "SIMPLE  = F", "ZIMAGE  = T", "GROUPS  = F", "END",
]
ENDS = [b"END", b"END" + bytes(77), b"END\0", b"END =", b"END     = ", b"END     = 5", b"END$%&%^*%*", b"END     / all", b"END\t", b"END\xff", b"END     " + bytes(72), b"ENDed"]


def test_ends():
    opened = 0
    for end in ENDS:
        for padding in (b" ", b"\0", b"\n", b"x"):
            opened += compare(f"END {end[:20]} {padding}", block([SIMPLE, *CARDS], end, padding) + padded())
            opened += compare(f"extension END {end[:20]} {padding}", block([SIMPLE, "BITPIX  = 8", "NAXIS   = 0"]) + block(EXTENSION, end, padding) + padded(), 1)
    check(opened > 60, f"astropy opens {opened}")


def test_cards():
    opened = 0
    for card in PLACED:
        for place in (len(CARDS), 4, 5):
            cards = [SIMPLE, *CARDS[:place], card, *CARDS[place:]]
            opened += compare(f"card {card[:30]!r} at {place}", block(cards) + padded())
    check(opened > 120, f"astropy opens {opened}")


def test_structure():
    first = block([SIMPLE, *CARDS]) + padded()
    empty = block([SIMPLE, "BITPIX  = 8", "NAXIS   = 0", "EXTEND  = T"])
    cases = {
        "SIMPLE in free format": (block(["SIMPLE  = T", *CARDS]) + padded(), 0), "SIMPLE with a comment": (block([SIMPLE + " / conforms", *CARDS]) + padded(), 0),
        "padding cut": (block([SIMPLE, *CARDS]) + BODY, 0), "NULs behind": (first + bytes(2880), 0), "few NULs behind": (first + bytes(1234), 0), "text behind": (first + b"and so on" * 99, 0),
        "blanks behind": (first + b" " * 2880, 0), "integers with a point": (block([SIMPLE, CARDS[0], CARDS[1], "NAXIS1  = 9.0", "NAXIS2  = 7."]) + padded(), 0),
        "free format": (block([SIMPLE, "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 9", "NAXIS2  = 7 / rows"]) + padded(), 0), "lower case": (block([SIMPLE, *(card.lower() for card in CARDS)]) + padded(), 0),
        "another order": (block([SIMPLE, *CARDS[::-1]]) + padded(), 0), "EXTEND missing": (block([SIMPLE, "BITPIX  = 8", "NAXIS   = 0"]) + block(EXTENSION) + padded(), 1),
        "PCOUNT missing": (empty + block(EXTENSION[:-2]) + padded(), 1), "XTENSION short": (empty + block(["XTENSION= 'IMAGE'", *EXTENSION[1:]]) + padded(), 1),
        "XTENSION without quotes": (empty + block(["XTENSION= IMAGE", *EXTENSION[1:]]) + padded(), 1), "extension's padding cut": (empty + block(EXTENSION) + BODY, 1),
        "blank cards before END": (block([SIMPLE, *CARDS, *[""] * 50]) + padded(), 0), "END in the second block only": (block([SIMPLE, *CARDS, *["COMMENT END"] * 40]) + padded(), 0),
        "END within a comment": (block([SIMPLE, *CARDS, "COMMENT " + "x" * 69 + "END"]) + padded(), 0),
        "GCOUNT 1 in the primary": (block([SIMPLE, *CARDS, "PCOUNT  = 0", "GCOUNT  = 1"]) + padded(), 0), "PCOUNT of an image": (empty + block([*EXTENSION[:-2], "PCOUNT  = 10", "GCOUNT  = 1"]) + padded(BODY + bytes(20)), 1),
    }  # fmt: skip
    opened = sum(compare(what, content, number) for what, (content, number) in cases.items())
    check(opened > 12, f"astropy opens {opened}")


def test_random():
    """Several at once; and bytes changed at random in the part that is no more than cards."""
    opened = 0
    for round_ in range(ROUNDS):
        cards = list(CARDS)
        for _ in range(rng.integers(1, 5)):
            cards.insert(int(rng.integers(4, len(cards) + 1)), PLACED[rng.integers(len(PLACED) - 1)])
        content = bytearray(block([SIMPLE, *cards], ENDS[rng.integers(len(ENDS))], [b" ", b"\0"][rng.integers(2)]) + padded())
        for _ in range(rng.integers(0, 4)):
            content[rng.integers(400, 80 * (len(cards) + 1))] = rng.integers(256)
        opened += compare(f"round {round_} {cards[4:]} {bytes(content[400:800])}", bytes(content), cards=False)
    check(opened > ROUNDS // 3, f"astropy opens {opened} of {ROUNDS}")


for test in (test_ends, test_cards, test_structure, test_random):
    before = len(failures)
    test()
    print(f"{test.__name__}: {'ok' if len(failures) == before else 'FAILED'} ({checks} checks so far)", flush=True)
print(f"{checks} checks, {len(failures)} failed, seed {SEED}")
sys.exit(1 if failures else 0)
