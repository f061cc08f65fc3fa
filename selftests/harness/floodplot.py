# SPDX-License-Identifier: BSD-2-Clause
"""Goodput against offered flood, as a table and as a picture."""
import math

WIDTH, HEIGHT = 720, 300
LEFT, TOP, RIGHT, BOTTOM = 56, 24, 180, 44
COLOURS = ("#0b6e4f", "#c1440e", "#555555")


def _value(rows, case, subject, what="median"):
    return next(r[what] for r in rows if r["case"] == case and r["subject"] == subject)


def table(rows, rates, subjects):
    lines = ["flood     subject    offered    taken     tcp   (min-max)     udp   (min-max)"]
    for rate in rates:
        for subject in subjects:
            def v(what, which="median"):
                return _value(rows, f"flood-{rate}-{what}", subject, which)

            spread = ["{:4.0%}-{:4.0%}".format(v(w, "min"), v(w, "max")) for w in ("tcp", "udp")]
            lines.append(f"{rate:>6}    {subject:9} {v('offered') / 1e6:6.2f} M {v('taken') / 1e6:6.2f} M "
                         f"{v('tcp'):6.0%}  {spread[0]}  {v('udp'):6.0%}  {spread[1]}")
    return "\n".join(lines)


def svg(rows, rates, subjects):
    """Solid: TCP, dashed: UDP; the axis of the flood is logarithmic."""
    def offered(rate, subject):
        return max(_value(rows, f"flood-{rate}-offered", subject), 1)

    low = min(offered(rates[0], s) for s in subjects)
    high = max(offered(rates[-1], s) for s in subjects)

    def at(x, y):
        fx = math.log(x / low) / math.log(high / low)
        return (f"{LEFT + fx * (WIDTH - LEFT - RIGHT):.0f},"
                f"{TOP + (1 - min(y, 1.05)) * (HEIGHT - TOP - BOTTOM):.0f}")

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for share in (0, 0.25, 0.5, 0.75, 0.95):
        a, b = at(low, share), at(high, share)
        out.append(f'<polyline points="{a} {b}" stroke="#ccc" fill="none"/>')
        out.append(f'<text x="{LEFT - 6}" y="{int(a.split(",")[1]) + 4}" text-anchor="end">'
                   f'{share:.0%}</text>')
    for tick in (0.25, 0.5, 1, 2, 4, 8):
        if low <= tick * 1e6 <= high:
            x = at(tick * 1e6, 0).split(",")[0]
            out.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>')
    out.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">flood of made-up sources, million packets a second '
               'offered</text>')
    for i, subject in enumerate(subjects):
        for what, dash in (("tcp", ""), ("udp", ' stroke-dasharray="6 4"')):
            points = " ".join(at(offered(r, subject), _value(rows, f"flood-{r}-{what}", subject))
                              for r in rates)
            out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[i]}" '
                       f'stroke-width="2"{dash}/>')
            y = TOP + 16 + 20 * (2 * i + (what == "udp"))
            x = WIDTH - RIGHT + 12
            out.append(f'<polyline points="{x},{y - 4} {x + 28},{y - 4}" fill="none" '
                       f'stroke="{COLOURS[i]}" stroke-width="2"{dash}/>')
            out.append(f'<text x="{x + 34}" y="{y}">{subject}, {what.upper()}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
