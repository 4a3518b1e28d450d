# set_by_hand service|copy: what a person has set in the cluster for a time, and what ends it, as far as it can be why nobody
# serves, or why DRBD does not run on both nodes. Nothing where there is nothing, or no Pacemaker.
set_by_hand() {
  local cib
  cib=$(cibadmin --query 2>/dev/null) || return 0
  python3 - <(printf '%s' "$cib") "$1" <<'PYTHON'
<<< configs/pacemaker/by_hand.py >>>
PYTHON
}
