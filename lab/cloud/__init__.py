"""The lab cloud: a local Azure just big enough for one Pulumi program.

One asyncio process inside the lab's network namespace.  It speaks ARM's REST for a few resource types,
checks what Azure checks, and makes it happen: virtual machines boot, disks attach, a load balancer
forwards and probes, security groups filter, guests find an IMDS and a name server.

Where to look:

- `arm` routes requests; `resources` has one module a resource type, with its checks and its effects;
- `plan` turns the resources into listeners and probes, `balancer` runs them, `nsg` decides who may pass;
- `authorization` says which operation a request is and who may do it, `roles` what a role grants;
- `scheduled_events` and `faults` are what drills ask of the platform;
- `machines` is the interface to the virtual machines; `guest` writes what cloud-init reads;
- `imds`, `dns`, `tokens`, `certificates` are the platform's services; `client` is for the lab's CLI.
"""
