"""A stand-in for the `azure-native` plug-in, for where its binary cannot be had.

The real plug-in, `pulumi-resource-azure-native`, is a binary that is downloaded; from source it cannot be built, since
the descriptions of resource types that it embeds are not in its repository. **This is not that plug-in.** It is a
plug-in in Python that serves the same SDK, pulumi-azure-native 3.x, for the resource types that this project uses,
and turns them into the same REST calls to Azure Resource Manager (ARM). It has no state and no judgement of its own:
whether a resource is sound, ARM says, be it Azure's or the lab cloud's.

Where the real plug-in can be had, it can be pointed at the lab cloud by the same environment instead:
ARM_METADATA_HOSTNAME, ARM_CLIENT_ID, ARM_CLIENT_SECRET, ARM_TENANT_ID, ARM_SUBSCRIPTION_ID, SSL_CERT_FILE
(and ARM_DISABLE_INSTANCE_DISCOVERY=true, which the stand-in does not need).

What it maps (`sdk.py` derives every property from the SDK):

| type | ARM |
|---|---|
| resources:ResourceGroup | resource group |
| network:{VirtualNetwork, Subnet, NetworkSecurityGroup, PublicIPAddress, NatGateway, LoadBalancer, NetworkInterface} | Microsoft.Network, 2024-05-01 |
| privatedns:{PrivateZone, VirtualNetworkLink, PrivateRecordSet} | Microsoft.Network, 2024-06-01 |
| compute:{AvailabilitySet, VirtualMachine} | Microsoft.Compute, 2024-11-01 |
| compute:{Disk, DiskEncryptionSet} | Microsoft.Compute, 2024-03-02 |
| keyvault:{Vault, Key} | Microsoft.KeyVault, 2024-11-01 |
| monitor:{ActionGroup, MetricAlert} | Microsoft.Insights, 2024-10-01-preview and 2018-03-01 |
| monitor:{AzureMonitorWorkspace, DataCollectionEndpoint, DataCollectionRule} | Microsoft.Monitor, 2023-04-03; Microsoft.Insights, 2022-06-01 |
| storage:{StorageAccount, BlobServiceProperties, BlobContainer, BlobContainerImmutabilityPolicy, ManagementPolicy} | Microsoft.Storage, 2024-01-01 |
| authorization:{RoleDefinition, RoleAssignment, ManagementLockByScope} | Microsoft.Authorization |
| authorization:getClientConfig | none: the subscription, of the configuration |

Like the real one it refuses to create what exists already, replaces a resource (deleting first) where a part of its id
or one of a few properties changes, sends the whole resource on an update, leaves a network's subnets alone where the
program does not list them, drops properties that the SDK does not have, takes over into the inputs, on refresh, what
changed in Azure since the last look, and reports a resource that ARM began to make and failed on as half made.
Unlike the real one it
- knows the types above only, and one way to log in: a service principal with a secret;
- looks every 0.2 to 2 seconds whether ARM is done where ARM names no time (the real one: every 10);
- keeps, in the preview of an update, the outputs of before (the real one: only name and location), so that a preview
  shows no more than will happen;
- answers getClientConfig with the subscription alone, and where it knows none with zeros: a preview needs no cloud.

`install` lays it into a PULUMI_HOME.
"""  # noqa: E501 - a table's row is one line

from .plugin import install, version

__all__ = ["install", "version"]
