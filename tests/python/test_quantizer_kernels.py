"""Instruction sets agree to the last bit, and halves are numpy's."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from spinney import _core


def test_kernels_of_every_level_agree():
    """By subprocess, since the level is read once: see test_quantizer_onnx for the values."""
    code = (
        "import numpy as np, hashlib; from spinney import _core as c\n"
        "r=np.random.default_rng(0); d=hashlib.sha256()\n"
        "x=(r.normal(size=5003)*10.0**r.integers(-44,38,5003)).astype('f4')\n"
        "x[::97]=np.nan; x[::89]=np.inf; x[5::83]=-np.inf\n"
        "y=r.integers(-600,600,5003).astype('f4')/2\n"
        "for v in (x,y):\n"
        "  for n in (0,1,7,15,16,17,31,63,64,65,1000,5003):\n"
        "    for s,(l,h) in enumerate([(-128,127),(0,255),(-32768,32767),(0,65535)]):\n"
        "      for z in (l,(l+h)//2,h):\n"
        "        q,*o=c.quantize_tensor(v[:n].copy(),s,l,h,.5,z); d.update(q.tobytes())\n"
        "        d.update(repr(o).encode()); d.update(c.dequantize_tensor(q,.3,z).tobytes())\n"
        "    d.update(repr(c.array_range(v[:n].copy())).encode())\n"
        "    h=c.to_half(np.nan_to_num(v[:n]).astype('f4'))[0]; d.update(h.tobytes())\n"
        "    d.update(c.from_half(h).tobytes())\n"
        "print(d.hexdigest())"
    )
    found = set()
    for isa in ("scalar", "avx2", "avx512", "avx512vbmi"):
        environment = {**os.environ, "SPINNEY_ISA": isa, "PYTHONPATH": os.pathsep.join(sys.path)}
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        assert out.returncode == 0, out.stderr
        found.add(out.stdout)
    assert len(found) == 1


def test_halves_are_numpy_s():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[~np.isnan(every)]
    assert np.array_equal(_core.from_half(every), every.astype(np.float32), equal_nan=True)
    assert np.array_equal(_core.to_half(finite.astype(np.float32))[0].view("u2"), finite.view("u2"))
    x = np.random.default_rng(0).integers(0, 1 << 32, 200_000, np.uint32).view(np.float32)
    x = x[~np.isnan(x)]
    with np.errstate(over="ignore"):
        assert np.array_equal(_core.to_half(x)[0].view("u2"), x.astype(np.float16).view("u2"))
    none = np.array([1, np.nan, np.inf, -np.inf, -np.nan, 1e30] * 50, np.float32)
    assert _core.to_half(none)[1:] == (0, 100, 100)
