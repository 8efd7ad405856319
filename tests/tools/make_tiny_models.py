#!/usr/bin/python3
"""Writes the tiny models of the tests, and the one that the program carries: whole Qwen3 files of
300 tokens whose weights are noise, made so that the logits are neither flat nor infinite.

  make_tiny_models.py tests/golden/models models/default.gguf

A tensor depends on the seed and its name alone. Needs numpy; the files are the same everywhere.
"""
import argparse
import struct
import zlib

import numpy as np

SIZES = dict(layers=2, dim=256, ffn=512, heads=4, kv_heads=2, head_dim=64, context=2048)
YARN = SIZES | dict(layers=3, kv_heads=1, tied=True, yarn=(4.0, 64))

# format: (number in the file, values and bytes of a block, general.file_type)
FORMATS = {"f16": (1, 1, 2, 1), "q4_0": (2, 32, 18, 2), "q8_0": (8, 32, 34, 7),
           "tq2_0": (35, 256, 66, 37), "q1_0": (41, 128, 18, 41), "q2_0": (42, 64, 18, 42)}


def blocks(rng, format, n, sigma):
    """The bytes of n random weights of standard deviation sigma."""
    _, values, size, _ = FORMATS[format]
    if format == "f16":
        return (rng.standard_normal(n, dtype=np.float32) * sigma).astype("<f2").view(np.uint8)
    count = n // values
    # Scales differ from block to block; their mean square is that of sigma.
    jitter = np.exp(0.25 * rng.standard_normal((count, 1), dtype=np.float32))
    jitter = jitter / np.float32(np.exp(0.0625))
    # The root mean square of the codes, of which each format has its own.
    rms = {"q1_0": 1.0, "q4_0": np.sqrt(17.5), "q8_0": 42.0}.get(format, np.sqrt(2 / 3))

    def random_bytes(n):
        return np.frombuffer(rng.bytes(count * n), np.uint8).reshape(count, n)

    if format == "q1_0":
        codes = random_bytes(16)
    elif format == "q4_0":  # a nibble is never 0, so that the mean is 8
        codes = random_bytes(16)
        codes = codes | np.where(codes & 15, 0, 8).astype(np.uint8)
        codes = codes | np.where(codes >> 4, 0, 128).astype(np.uint8)
    elif format == "q8_0":
        normal = rng.standard_normal((count, 32), dtype=np.float32) * 42
        codes = np.clip(np.rint(normal), -127, 127).astype(np.int8).view(np.uint8)
    else:  # four fields a byte, each 0, 1 or 2
        thirds = np.arange(256) * 81 // 256
        fields = sum((thirds // 3**i % 3) << 2 * i for i in range(4)).astype(np.uint8)
        codes = fields[random_bytes(values // 4)]
    scale = (jitter * np.float32(sigma / rms)).astype("<f2").view(np.uint8)
    parts = [codes, scale] if format == "tq2_0" else [scale, codes]
    return np.concatenate(parts, 1).reshape(-1)


def tokenizer():
    """The 256 bytes, a few English merges and ChatML's control tokens, as metadata."""
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in prints]
    spelling = {byte: chr(byte) for byte in prints}
    spelling |= {byte: chr(256 + i) for i, byte in enumerate(others)}
    tokens = [spelling[byte] for byte in prints + others]
    merges = []
    words = " the| and| of| to| in| is| it| that| you| for|ing|er|on|re|at|en|st|ion|ed|es"
    for word in (words + "|hello|world").split("|"):
        left, *rest = (spelling[byte] for byte in word.encode())
        for right in rest:
            if left + right not in tokens:
                tokens.append(left + right)
                merges.append(f"{left} {right}")
            left += right
    n = len(tokens)
    template = ("{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content + "
                "'<|im_end|>\n' }}{%- endfor %}"
                "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}")
    return {"tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "qwen2",
            "tokenizer.ggml.tokens": tokens + ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            "tokenizer.ggml.token_type": [1] * n + [3] * 3,
            "tokenizer.ggml.merges": merges,
            "tokenizer.ggml.eos_token_id": n + 2,
            "tokenizer.ggml.padding_token_id": n,
            "tokenizer.ggml.bos_token_id": n,
            "tokenizer.ggml.add_bos_token": False,
            "tokenizer.chat_template": template}


def metadata(format, seed, sizes):
    p = sizes
    keys = {"general.architecture": "qwen3",
            "general.type": "model",
            "general.name": f"random tiny {format} seed {seed}",
            "general.file_type": FORMATS[format][3],
            "general.quantization_version": 2,
            "qwen3.block_count": p["layers"],
            "qwen3.context_length": p["context"],
            "qwen3.embedding_length": p["dim"],
            "qwen3.feed_forward_length": p["ffn"],
            "qwen3.attention.head_count": p["heads"],
            "qwen3.attention.head_count_kv": p["kv_heads"],
            "qwen3.attention.key_length": p["head_dim"],
            "qwen3.attention.value_length": p["head_dim"],
            "qwen3.attention.layer_norm_rms_epsilon": 1e-6,
            "qwen3.rope.freq_base": 1e6}
    if "yarn" in p:
        factor, context = p["yarn"]
        keys |= {"qwen3.rope.scaling.type": "yarn",
                 "qwen3.rope.scaling.factor": factor,
                 "qwen3.rope.scaling.original_context_length": context}
    return keys | tokenizer()


def tensors(p, vocabulary):
    """(name, shape, sigma): a norm has one dim, and weights around sigma."""
    dim, ffn = p["dim"], p["ffn"]
    queries, keys = p["heads"] * p["head_dim"], p["kv_heads"] * p["head_dim"]
    logits = 3 / dim**0.5  # a clear maximum, far from one-hot
    yield "token_embd.weight", (vocabulary, dim), logits
    for i in range(p["layers"]):
        blk = f"blk.{i}."
        yield blk + "attn_norm.weight", (dim,), 1.0
        yield blk + "attn_q.weight", (queries, dim), dim**-0.5
        yield blk + "attn_k.weight", (keys, dim), dim**-0.5
        yield blk + "attn_v.weight", (keys, dim), dim**-0.5
        yield blk + "attn_q_norm.weight", (p["head_dim"],), 1.5
        yield blk + "attn_k_norm.weight", (p["head_dim"],), 1.5
        yield blk + "attn_output.weight", (dim, queries), queries**-0.5
        yield blk + "ffn_norm.weight", (dim,), 1.0
        yield blk + "ffn_gate.weight", (ffn, dim), dim**-0.5
        yield blk + "ffn_up.weight", (ffn, dim), dim**-0.5
        yield blk + "ffn_down.weight", (dim, ffn), ffn**-0.5
    yield "output_norm.weight", (dim,), 1.0
    if "tied" not in p:
        yield "output.weight", (vocabulary, dim), logits


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def value(v):
    match v:
        case bool():
            return struct.pack("<I?", 7, v)
        case int():
            return struct.pack("<II", 4, v)
        case float():
            return struct.pack("<If", 6, v)
        case str():
            return struct.pack("<I", 8) + string(v)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(string, v))
        case _:
            return struct.pack("<IIQ", 9, 5, len(v)) + struct.pack(f"<{len(v)}i", *v)


def padded(data):
    return data + bytes(-len(data) % 32)


def write(path, format, seed, sizes=SIZES):
    keys = metadata(format, seed, sizes)
    listed = list(tensors(sizes, len(keys["tokenizer.ggml.tokens"])))
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(listed), len(keys))
    head += b"".join(string(key) + value(v) for key, v in keys.items())
    data = b""
    for name, shape, sigma in listed:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        is_norm = len(shape) == 1
        id = 0 if is_norm else FORMATS[format][0]
        dims = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        head += string(name) + dims + struct.pack("<IQ", id, len(data))
        if is_norm:
            weights = (sigma * (1 + 0.1 * rng.standard_normal(shape[0]))).astype("<f4")
        else:
            weights = blocks(rng, format, shape[0] * shape[1], sigma)
        data += padded(weights.tobytes())
    with open(path, "wb") as file:
        file.write(padded(head) + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", help="where the tests' models go")
    parser.add_argument("default", help="the model that the program carries")
    args = parser.parse_args()
    for format in FORMATS:
        write(f"{args.folder}/tiny-{format}.gguf", format, seed=1)
    write(f"{args.folder}/tiny-q1_0-yarn.gguf", "q1_0", seed=2, sizes=YARN)
    write(args.default, "q1_0", seed=1)


if __name__ == "__main__":
    main()
