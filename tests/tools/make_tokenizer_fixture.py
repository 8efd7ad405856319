#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/qwen3.{vocab,merges} from Qwen3's tokenizer.json (Apache-2.0).

    make_tokenizer_fixture.py path/to/tokenizer.json

In Qwen's vocabulary the token with id 256 + r is what the merge of rank r makes. So the merges alone
are nearly the whole vocabulary, and the fixture is a third of what the two lists would be:

    qwen3.merges   one merge a line, "left right"
    qwen3.vocab    the other tokens, "id type text": the 256 bytes and the special tokens,
                   of type 1 (normal), 3 (control) or 4 (user defined) as in GGUF
"""

import json
import pathlib
import sys

source = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
folder = pathlib.Path(__file__).parent.parent / "golden" / "tokenizer"
folder.mkdir(parents=True, exist_ok=True)

texts = {token: text for text, token in source["model"]["vocab"].items()}
merges = [m if isinstance(m, list) else m.split(" ") for m in source["model"]["merges"]]
for rank, (left, right) in enumerate(merges):
    assert texts[256 + rank] == left + right, (rank, left, right)
assert len(texts) == 256 + len(merges)

lines = [f"{token} 1 {texts[token]}" for token in range(256)]
for added in source["added_tokens"]:
    assert added["id"] >= len(texts), added
    lines.append(f"{added['id']} {3 if added['special'] else 4} {added['content']}")


def write(name, content):
    (folder / name).write_text("".join(line + "\n" for line in content), encoding="utf-8")


write("qwen3.vocab", lines)
write("qwen3.merges", [f"{left} {right}" for left, right in merges])
