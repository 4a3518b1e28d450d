"""The colours of a drill's report."""

INK, MUTED, RULE = "#1f2933", "#5f6b7a", "#dfe4ea"
# Okabe and Ito's colours, which people who confuse red and green tell apart; some darker, to be read as text.
VERMILION, BLUE, GREEN, PURPLE, AMBER = "#c2410c", "#0072b2", "#00805f", "#9c4a86", "#9a6700"
LATENCY, LATENCY_PALE = "#33526e", "#b9c9d8"
GAP, GAP_EDGE = "#fbe9dd", "#eebf9f"

MARK_COLOURS = {
    "fault": VERMILION,
    "fault-end": VERMILION,
    "detected": AMBER,
    "fencing": PURPLE,
    "fenced": PURPLE,
    "demoted": MUTED,
    "promoted": BLUE,
    "mounted": BLUE,
    "server-ready": GREEN,
    "probe": GREEN,
    "first-write": GREEN,
    "recovered": GREEN,
    "event": MUTED,
    "alert": VERMILION,
}
PART_COLOURS = {
    "fault": "#c3cad3",
    "detected": "#e69f00",
    "fencing": "#e3b7d2",
    "fenced": "#b4609b",
    "fault-end": "#d55e00",
    "demoted": "#7a8794",
    "promoted": "#0072b2",
    "mounted": "#56b4e9",
    "server-ready": "#009e73",
    "probe": "#8c8c3a",
    "first-write": "#3d3a7c",
    "never": VERMILION,
}
LANES = {"powered": ("powered", "#a9b4c0"), "promoted": ("DRBD promoted", BLUE), "server": ("server runs", GREEN)}
