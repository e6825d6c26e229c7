"""What the generated calls are filled with: ordinary values, values at the limits, and refused ones."""

KEYS = ["m", "M", "loss", "a/b", "x y", "é", "مفتاح", "क", "m-1", "a.b", "a:b", "k" * 250]
COMMON_KEYS = ["m", "M", "loss"]
BAD_KEYS = [
    "", "../a", "a//b", "/a", "a#b", ".", "..", "a/..", "a/", "./a", "k" * 251, "a\nb", "a\tb", "💥", "a%b",
    "a\\b", "a;b", "(a)", "e\u0301", 5, 1.5, True, None, [], {}, ["a"],
]  # fmt: skip
TEXTS = [
    "1", "aBc", "abc", "zzz", "x y", "it's", 'a"b', "a_b", "aXb", "100%", "", " ", "Ünïcode", "u\u0308", "ü",
    "שלום", "a\u202eb", "💥", "a\nb", "\t", "\x01", "\x7f", "NaN", "null", "a\\b", "<b>", "\u2028", "\ufeff",
]  # fmt: skip
# Often, so that filters with COMMON_PATTERNS find some of them.
COMMON_TEXTS = ["abc", "aBc", "a_b", "aXb", "a\\b", "100%", "Ünïcode"]
LONG_TEXTS = [
    "x" * 5999,
    "x" * 6000,
    "x" * 6001,
    "é" * 8000,
    "é" * 8001,
    "💥" * 6000,
    "x" * 20000,
    "x" * 20001,
]
BAD_TEXTS = [5, 1.5, True, False, [], {}, ["a"], {"a": 1}]
BAD_CHARACTERS = ["\0", "a\0b", "\ud800", "a\udfffb"]
PATTERNS = [
    "1",
    "aBc",
    "abc",
    "a%",
    "A%",
    "%b%",
    "a_b",
    "x y",
    "100%",
    "",
    "%",
    "ünï%",
    "_",
    "💥",
    "%\\%",
    "u\u0308",
]
COMMON_PATTERNS = ["a%", "A%", "abc", "a_b", "%\\%", "%\\b", "100%", "%B", "ünï%"]
NUMBERS = [0.0, -0.0, 1.0, 1, 0.1 + 0.2, 5e-324, 1e308, -1e308, -1.5, 3, 2**53 + 1, "2.5", "-7", "1e3"]
ODD_NUMBERS = ["NaN", "NaN", "NaN", "Infinity", "-Infinity", "inf", "-inf"]
INFINITIES = ["Infinity", "-Infinity"]
# No bare NaN and infinities, which are no JSON: MLflow stops reading there, and stores zeros for the rest.
BAD_NUMBERS = ["abc", "", None, [], {}, "1,5", " ", "nan", True]
STEPS = [0, 0, 1, 2, 3, -1, "4", 5.0, "-2"]
# Seldom, since no later point comes after the greatest.
EXTREME_STEPS = [2**31, 2**63 - 1, -(2**63), str(2**63 - 1)]
BAD_STEPS = [2**63, -(2**63) - 1, "a", "9223372036854775808", [], {}, "1.0.0"]
TIMES = [0, 1, 2, 3, "4", 5.0]
EXTREME_TIMES = [2**31, 2**63 - 1, str(2**63 - 1)]
BAD_TIMES = [-1, -(2**63), 2**63, "a", "", None, [], {}]
STATUSES = ["RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED"]
ODD_STATUSES = ["running", "NOPE", "", "4"]
RUN_NAMES = ["r1", "r2", "R1", "x y", "é", "שלום", "💥"]
USERS = ["", "ann", "Ann", "bob", "é"]
SIZES = [1, 2, 3, 5, 1000, "2", 50000]
BAD_SIZES = [0, -1, 50001, 2**31, "a", [], {}]
VIEWS = ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
UNKNOWN_RUNS = ["0" * 32, "nope", "", "a b", "é", "x" * 300, "../x", 7]
UNKNOWN_EXPERIMENTS = ["999999999", "", "-1", "9223372036854775807", 999999937]
UNKNOWN_MODELS = ["m-" + "0" * 32, "nope"]
UNKNOWN_TRACES = ["tr-" + "0" * 32, "nope", "a b", "é", "x" * 300]
MODEL_NAMES = ["alpha", "beta", "Alpha", "x y", "é", "a_b", "שלום"]
BAD_MODEL_NAMES = ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b"]
MODEL_TYPES = ["", "t1", "t2", "T1"]
DATASETS = [("d", "x"), ("d", "y"), ("q", "x"), ("Ünï", "z")]
CONTEXTS = ["train", "eval", "Train"]
FILES = ["a.txt", "dir/b.txt", "dir/c d.txt", "dir/sub/é.txt", "model/MLmodel"]
BAD_PATHS = ["../a", "a/../../b", "/etc/passwd", "a/./b"]
