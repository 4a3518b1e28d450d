"""The worst of what a stack may say in its passwords, options and tags."""

import string

PASSWORD = "$(id)${HOME}!!%s%n#;&|<>*?~{}[]()=+,.:/@^-_aA1"
"""Every kind of sign that a password may have."""

PASSWORDS = (
    PASSWORD,
    "-" * 8 + "rf/$IFS$9{{7*7}}%00&&#x",
    "".join(sorted({*string.punctuation} - set("'\"`\\"))) + "aA",
)

# Each as the whole value of an option that is any text.
OPTIONS = (
    "set @a = 'it''s'",
    "'in quotes'",
    '"in double quotes"',
    "set @a = '`id` $(id) ${HOME} $$ %s %n'",
    r"set @a = 'C:\new\table'",
    "\\",
    r"a\\",
    r"'\'",
    "set @a = '; | & < > * ? ~ ! [section] {{ 7 * 7 }} {% raw %}'",
    "set @a = 'é 名 🙂'",
    "FILE",
    "= a = b",
)

TAGS = {"o'clock": '"; rm -rf ~; "', "$(id)": "`id`\n\\", "{{ 7 }}": "%s é 名 🙂", "a b": "\t"}
