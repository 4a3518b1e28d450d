"""Rendering of everything that goes onto a node. Knows no Pulumi, so that it can be tested by itself."""

from collections.abc import Mapping

import jinja2

from components.checkout import CONFIGS

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(CONFIGS),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # shell scripts and configuration files, never HTML
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    comment_start_string="{*",  # {# is the length of a Bash array
    comment_end_string="*}",
)


def render(template: str, context: Mapping[str, object]) -> str:
    """Render one template of configs/.

    Args:
        template: path below configs/, such as "corosync/corosync.conf.j2".

    Raises:
        jinja2.TemplateNotFound: there is no such template.
        jinja2.UndefinedError: the template names what the context does not have.
    """
    return _environment.get_template(template).render(context)
