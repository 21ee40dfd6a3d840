"""What a word is, in any script: letters and digits, and the marks that combine with them, as vowels of Hindi.

For `re`, "\\w" is without marks: it would cut a word of Hindi at each of them.
"""

import unicodedata

LAST = 0xAC00  # behind it there are marks of emoji and of rare scripts only
MARKS = "".join(sign for sign in map(chr, range(0x300, LAST)) if unicodedata.category(sign).startswith("M"))
WORD = rf"[\w{MARKS}]+"
OTHER = rf"[^\w\s{MARKS}]"  # one character that is in no word
