"""Words for emoji: captions from the Unicode names, groups from the code points."""

import unicodedata

# Names of Unicode 15 to 17, so that captions do not depend on the age of the interpreter's own table.
NEW_NAMES = {
    0x1F6D8: "landslide",
    0x1F6DC: "wireless",
    0x1FA75: "light blue heart",
    0x1FA76: "grey heart",
    0x1FA77: "pink heart",
    0x1FA87: "maracas",
    0x1FA88: "flute",
    0x1FA89: "harp",
    0x1FA8A: "trombone",
    0x1FA8E: "treasure chest",
    0x1FA8F: "shovel",
    0x1FAAD: "folding hand fan",
    0x1FAAE: "hair pick",
    0x1FAAF: "khanda",
    0x1FABB: "hyacinth",
    0x1FABC: "jellyfish",
    0x1FABD: "wing",
    0x1FABE: "leafless tree",
    0x1FABF: "goose",
    0x1FAC6: "fingerprint",
    0x1FAC8: "hairy creature",
    0x1FACD: "orca",
    0x1FACE: "moose",
    0x1FACF: "donkey",
    0x1FADA: "ginger root",
    0x1FADB: "pea pod",
    0x1FADC: "root vegetable",
    0x1FADF: "splatter",
    0x1FAE8: "shaking face",
    0x1FAE9: "face with bags under eyes",
    0x1FAEA: "distorted face",
    0x1FAEF: "fight cloud",
    0x1FAF7: "leftwards pushing hand",
    0x1FAF8: "rightwards pushing hand",
}
SKIN = dict(zip(range(0x1F3FB, 0x1F400), ("light", "medium light", "medium", "medium dark", "dark"), strict=True))
HAIR = {0x1F9B0: "red hair", 0x1F9B1: "curly hair", 0x1F9B2: "bald", 0x1F9B3: "white hair"}
JOINERS = {0x200D, 0xFE0E, 0xFE0F, 0xE007F}  # zero width joiner, presentation selectors, end of tags
LETTERS = 0x1F1E6  # regional indicator A
TAGS = 0xE0000  # plus the code of the letter

# Ranges of first code points, both ends included; the first group that fits counts.
GROUPS: dict[str, tuple[tuple[int, int], ...]] = {
    "flags": ((0x1F1E6, 0x1F1FF), (0x1F38C, 0x1F38C), (0x1F3F3, 0x1F3F4), (0x1F6A9, 0x1F6A9)),
    "faces": (
        (0x2639, 0x263A),
        (0x1F600, 0x1F644),
        (0x1F910, 0x1F917),
        (0x1F920, 0x1F925),
        (0x1F927, 0x1F92F),
        (0x1F970, 0x1F97A),
        (0x1F9D0, 0x1F9D0),
        (0x1FAE0, 0x1FAEA),
    ),
    "people": (
        (0x261D, 0x261D),
        (0x26F9, 0x26F9),
        (0x270A, 0x270D),
        (0x1F385, 0x1F385),
        (0x1F3C2, 0x1F3C4),
        (0x1F3C7, 0x1F3C7),
        (0x1F3CA, 0x1F3CC),
        (0x1F440, 0x1F450),
        (0x1F463, 0x1F478),
        (0x1F47C, 0x1F47C),
        (0x1F481, 0x1F487),
        (0x1F48F, 0x1F48F),
        (0x1F491, 0x1F491),
        (0x1F4AA, 0x1F4AA),
        (0x1F574, 0x1F575),
        (0x1F57A, 0x1F57A),
        (0x1F590, 0x1F590),
        (0x1F595, 0x1F596),
        (0x1F645, 0x1F647),
        (0x1F64B, 0x1F64F),
        (0x1F6A3, 0x1F6A3),
        (0x1F6B4, 0x1F6B6),
        (0x1F6C0, 0x1F6C0),
        (0x1F6CC, 0x1F6CC),
        (0x1F90C, 0x1F90C),
        (0x1F90F, 0x1F90F),
        (0x1F918, 0x1F91F),
        (0x1F926, 0x1F926),
        (0x1F930, 0x1F93E),
        (0x1F977, 0x1F977),
        (0x1F9B0, 0x1F9B9),
        (0x1F9BB, 0x1F9BB),
        (0x1F9CD, 0x1F9CF),
        (0x1F9D1, 0x1F9E0),
        (0x1FAC0, 0x1FAC5),
        (0x1FAC8, 0x1FAC8),
        (0x1FAF0, 0x1FAF8),
    ),
    "animals": (
        (0x1F400, 0x1F43F),
        (0x1F54A, 0x1F54A),
        (0x1F648, 0x1F64A),
        (0x1F577, 0x1F578),
        (0x1F980, 0x1F9AE),
        (0x1FAB0, 0x1FAB3),
        (0x1FAB6, 0x1FAB6),
        (0x1FABC, 0x1FABD),
        (0x1FABF, 0x1FABF),
        (0x1FACD, 0x1FACF),
    ),
    "plants": (
        (0x2618, 0x2618),
        (0x1F331, 0x1F335),
        (0x1F337, 0x1F33C),
        (0x1F33E, 0x1F343),
        (0x1F490, 0x1F490),
        (0x1F940, 0x1F940),
        (0x1FAB4, 0x1FAB5),
        (0x1FAB7, 0x1FAB9),
        (0x1FABA, 0x1FABB),
        (0x1FABE, 0x1FABE),
    ),
    "food": (
        (0x2615, 0x2615),
        (0x1F32D, 0x1F330),
        (0x1F336, 0x1F336),
        (0x1F33D, 0x1F33D),
        (0x1F344, 0x1F37F),
        (0x1F382, 0x1F382),
        (0x1F942, 0x1F944),
        (0x1F950, 0x1F96F),
        (0x1F9C0, 0x1F9CB),
        (0x1FAD0, 0x1FADC),
    ),
    "travel": (
        (0x26F4, 0x26F5),
        (0x2708, 0x2708),
        (0x1F3CD, 0x1F3CE),
        (0x1F3D4, 0x1F3DF),
        (0x1F3E0, 0x1F3F0),
        (0x1F5FA, 0x1F5FF),
        (0x1F680, 0x1F6A8),
        (0x1F6B2, 0x1F6B3),
        (0x1F6D0, 0x1F6DC),
        (0x1F6E3, 0x1F6FC),
    ),
    "weather": ((0x2600, 0x2604), (0x2614, 0x2614), (0x26C4, 0x26C8), (0x2744, 0x2744), (0x1F300, 0x1F32C)),
    "extra": ((0xE000, 0xF8FF),),
    "symbols": (
        (0x23, 0x39),
        (0xA9, 0xAE),
        (0x2000, 0x2BFF),
        (0x3030, 0x3299),
        (0x1F100, 0x1F1E5),
        (0x1F200, 0x1F265),
        (0x1F493, 0x1F49F),
        (0x1F500, 0x1F567),
        (0x1F7E0, 0x1F7F0),
    ),
    "objects": ((0, 0x10FFFF),),
}


def codes(stem: str) -> list[int]:
    """Read the code points in a file's name such as 1F468-1F3FB-200D-1F680."""
    return [int(part, 16) for part in stem.split("-")]


def group_of(stem: str) -> str:
    """Give the name of the group that an emoji's first code point falls into."""
    first = codes(stem)[0]
    return next(name for name, ranges in GROUPS.items() if any(low <= first <= high for low, high in ranges))


def caption(stem: str) -> str:
    """Give the Unicode names of an emoji's code points as words in lower case: "man, dark skin, rocket".

    Flags are "flag" and the letters of the region; OpenMoji's own pictures, which have no name, are "openmoji e280".
    """
    points = [code for code in codes(stem) if code not in JOINERS]
    letters = "".join(_letter(code) for code in points)
    if letters:
        return f"flag {letters}"
    return ", ".join(_name(code) for code in points)


def _letter(code: int) -> str:
    if LETTERS <= code < LETTERS + 26:
        return chr(code - LETTERS + ord("a"))
    return chr(code - TAGS) if TAGS < code < TAGS + 128 else ""


def _name(code: int) -> str:
    if code in SKIN:
        return f"{SKIN[code]} skin"
    known = HAIR.get(code) or NEW_NAMES.get(code) or unicodedata.name(chr(code), "").lower()
    return known or f"openmoji {code:x}"
