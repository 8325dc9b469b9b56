# SPDX-License-Identifier: MIT
"""Bars as SVG: panels below each other, a bar for each name."""

from html import escape

WIDTH, LABEL, BAR, GAP, HEAD = 760, 120, 20, 6, 44
COLOURS = {"tern": "#0b6e4f", "tern serve": "#5fad8d", "limit": "#999999"}
OTHER = "#4a6fa5"


def bars(path, panels):
    """panels: [(title, [(name, value)])]"""
    height = sum(HEAD + len(values) * (BAR + GAP) for _, values in panels) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           f'font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    y = 0
    for title, values in panels:
        out.append(f'<text x="10" y="{y + 28}" font-size="15" font-weight="bold">{escape(title)}</text>')
        y += HEAD
        most = max((value for _, value in values), default=1)
        for name, value in values:
            width = (WIDTH - LABEL - 80) * value / most
            out.append(f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
            out.append(f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" '
                       f'fill="{COLOURS.get(name, OTHER)}"/>')
            out.append(f'<text x="{LABEL + width + 6:.1f}" y="{y + 15}">{value:.3g}</text>')
            y += BAR + GAP
    out.append("</svg>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))
