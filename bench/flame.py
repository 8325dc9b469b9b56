# SPDX-License-Identifier: MIT
"""Flame graphs as one self-contained SVG: width is cost, callers below callees.

Click a frame to widen it, the title to go back; a tooltip has the whole name and its share.
"""

from html import escape

WIDTH, ROW, HEAD, PAD = 1200, 17, 50, 10
LEAST = 0.0005  # frames narrower than this share are left out

SCRIPT = """
var all = document.querySelectorAll('g.f');
function show(x, w) {
  all.forEach(function (g) {
    var gx = +g.dataset.x, gw = +g.dataset.w;
    var left = (gx - x) / w, wide = gw / w;
    var inside = gx + gw > x + 1e-9 && gx < x + w - 1e-9;
    g.style.display = inside ? '' : 'none';
    if (!inside) return;
    var a = Math.max(left, 0), b = Math.min(left + wide, 1);
    var r = g.querySelector('rect'), t = g.querySelector('text');
    r.setAttribute('x', PAD + a * SPAN); r.setAttribute('width', Math.max((b - a) * SPAN - 0.4, 0.3));
    t.setAttribute('x', PAD + a * SPAN + 3);
    var room = Math.floor((b - a) * SPAN / 7);
    t.textContent = room < 3 ? '' : g.dataset.n.length > room ? g.dataset.n.slice(0, room - 2) + '..' : g.dataset.n;
  });
}
all.forEach(function (g) { g.addEventListener('click', function () { show(+g.dataset.x, +g.dataset.w); }); });
document.getElementById('title').addEventListener('click', function () { show(0, 1); });
show(0, 1);
"""


class Frame:
    """A function below its caller."""

    def __init__(self, name):
        self.name, self.cost, self.callees = name, 0, {}

    def add(self, stack, cost):
        """A stack, outermost first."""
        frame = self
        frame.cost += cost
        for name in stack:
            frame = frame.callees.setdefault(name, Frame(name))
            frame.cost += cost

    def depth(self):
        """Frames above each other."""
        return 1 + max((callee.depth() for callee in self.callees.values()), default=0)


def colour(name):
    """Kernel, TLS library, tern, others; shades by name."""
    shade = sum(name.encode()) % 40
    if name.endswith("_[k]"):
        return f"hsl(210,45%,{60 + shade // 3}%)"
    if any(word in name for word in ("aes", "gcm", "AEAD", "CRYPTO")):
        return f"hsl(280,40%,{62 + shade // 3}%)"
    if name.startswith("tern_"):
        return f"hsl(150,50%,{52 + shade // 3}%)"
    return f"hsl(35,75%,{58 + shade // 3}%)"


def draw(out, frame, x, level, root):
    """A frame and what it calls; x and width are shares of all."""
    width = frame.cost / root.cost
    if width < LEAST:
        return
    y = HEAD + level * ROW
    title = f"{frame.name}: {frame.cost:,} ({100 * width:.2f} %)"
    out.append(f'<g class="f" data-x="{x:.6f}" data-w="{width:.6f}" data-n="{escape(frame.name)}">'
               f'<title>{escape(title)}</title><rect y="{y}" height="{ROW - 1}" '
               f'fill="{colour(frame.name)}"/><text y="{y + 12}"></text></g>')
    for callee in sorted(frame.callees.values(), key=lambda one: one.name):
        draw(out, callee, x, level + 1, root)
        x += callee.cost / root.cost


def write(path, title, stacks):
    """stacks: {("outermost", ..., "innermost"): cost}"""
    root = Frame("all")
    for stack, cost in stacks.items():
        root.add(stack, cost)
    if root.cost == 0:
        raise ValueError(f"{title}: no samples")
    height = HEAD + root.depth() * ROW + PAD
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="100%" '
           'font-family="monospace" font-size="11">',
           f'<rect width="{WIDTH}" height="{height}" fill="#fcfcf8"/>',
           f'<text id="title" x="{PAD}" y="28" font-size="16" style="cursor:pointer">{escape(title)}</text>']
    draw(out, root, 0.0, 0, root)
    span = WIDTH - 2 * PAD
    script = SCRIPT.replace("SPAN", str(span)).replace("PAD", str(PAD))
    out.append(f"<script><![CDATA[{script}]]></script></svg>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


def read_folded(text):
    """"a;b;c 12" lines, as heaptrack writes them."""
    stacks = {}
    for line in text.splitlines():
        names, _, cost = line.rpartition(" ")
        if names:
            stack = tuple(name for name in names.split(";") if name)
            stacks[stack] = stacks.get(stack, 0) + int(cost)
    return stacks
