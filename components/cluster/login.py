"""The admin user's key while it is being changed: the new one is brought to the machines by way of the one before."""

from dataclasses import dataclass

import pulumi

from components.remote import RemoteScript, ScriptContext
from components.settings.ssh import SshSection


@dataclass(frozen=True)
class LoginArgs:
    """Args:
    context: the machines; each has a `previous_connection`.
    ssh: the admin user's keys.
    """

    context: ScriptContext
    ssh: SshSection


class Login(pulumi.ComponentResource):
    """Every machine lets the new key in, beside the one before, which its next script takes away.

    Attributes:
        done: the script of each machine, by its name.
    """

    done: dict[str, RemoteScript]

    def __init__(self, name: str, args: LoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("azure-mysql-ha:index:Login", name, None, opts)
        self.done = {
            machine.name: RemoteScript(
                f"{machine.name}-login",
                node=machine,
                connection=machine.previous_connection,
                script=args.context.script(
                    machine,
                    "host/login.sh.j2",
                    "The new key of SSH's admin user",
                    public_key=args.ssh.ssh_private_key.public,
                ),
                parent=self,
            )
            for machine in args.context.machines
        }
        self.register_outputs({})
