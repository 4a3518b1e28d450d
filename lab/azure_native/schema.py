"""What the stand-in knows of Azure's resource types: data, no behaviour.

The real plug-in embeds a description of every resource type, generated from Microsoft's OpenAPI files. This is the
same description, by hand, of the types that this project uses. A shape says which properties an object has, which of
them ARM keeps beside ``properties`` instead of under it, and where a nested object has a shape of its own. An object
without a shape passes unchanged.

Sources: the property names and api-versions are those of pulumi-azure-native 3.29 (tests/unit compares every shape
with the installed SDK); what lies under ``properties`` is ``x-ms-client-flatten`` of the OpenAPI files of those
api-versions; what forces a replacement is the real plug-in's own list (`forceNewMap`) with the parts of the path.
Whatever else Azure refuses to change in place (a VM's availability set, zones, customData, …) is no replacement for
the real plug-in either: it sends the PUT, and ARM answers with an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class Shape:
    """The properties of one kind of object.

    Args:
        inputs: names that a program may set.
        readonly: names that only Azure sets.
        beside: names that ARM keeps beside ``properties``; None for an object that has no ``properties``.
        nested: shape of an object, or of the elements of a list, by property name.
        renamed: ARM's name of a property under ``properties``, where the SDK has another.
        sets: lists of strings that ARM writes as objects with empty values.
        unreturned: inputs that are no outputs.
    """

    inputs: frozenset[str]
    readonly: frozenset[str] = frozenset()
    beside: frozenset[str] | None = None
    nested: Mapping[str, str] = field(default_factory=dict[str, str])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    sets: frozenset[str] = frozenset()
    unreturned: frozenset[str] = frozenset()

    @property
    def outputs(self) -> frozenset[str]:
        """Names that a response may hold."""
        return (self.inputs | self.readonly) - self.unreturned


@dataclass(frozen=True)
class ResourceType:
    """One resource type of the program.

    Args:
        path: ARM's path, with the SDK's names of its parts in braces.
        name: the part of the path that is the resource's own name, made up where the program gives none.
        api_version: what the SDK's release speaks by default.
        shape: name of its shape.
        required: inputs that must be there, beside the parts of the path.
        replaced_by: inputs whose change replaces the resource, beside the parts of the path.
        kept: lists that are resources of their own as well: left as they are in Azure where the program is silent.
        random_name: "suffix" for the resource's name and eight hexadecimal digits, "uuid" for a GUID.
    """

    path: str
    name: str
    api_version: str
    shape: str
    required: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    random_name: str = "suffix"


def _shape(
    inputs: str,
    readonly: str = "",
    beside: str | None = None,
    nested: Mapping[str, str] | None = None,
    renamed: Mapping[str, str] | None = None,
    sets: str = "",
    unreturned: str = "",
) -> Shape:
    return Shape(
        inputs=_words(inputs),
        readonly=_words(readonly),
        beside=None if beside is None else _words(beside),
        nested=nested or {},
        renamed=renamed or {},
        sets=_words(sets),
        unreturned=_words(unreturned),
    )


_CHILD = "id name type etag"  # beside the properties of a part of a network resource
_NETWORK = "id name type etag location tags"  # beside the properties of a network resource
_COMPUTE = "id name type location tags systemData"

SHAPES: Mapping[str, Shape] = {
    # --- resources
    "ResourceGroup": _shape("location managedBy tags", "name properties type"),
    # --- network: parts
    "Delegation": _shape("actions etag id name serviceName type", "provisioningState", _CHILD),
    "ApplicationSecurityGroup": _shape("id location tags", "etag name provisioningState resourceGuid type", _NETWORK),
    "SecurityRule": _shape(
        "access description destinationAddressPrefix destinationAddressPrefixes "
        "destinationApplicationSecurityGroups destinationPortRange destinationPortRanges direction etag id name "
        "priority protocol provisioningState sourceAddressPrefix sourceAddressPrefixes "
        "sourceApplicationSecurityGroups sourcePortRange sourcePortRanges type",
        beside=_CHILD,
        nested={
            "destinationApplicationSecurityGroups": "ApplicationSecurityGroup",
            "sourceApplicationSecurityGroups": "ApplicationSecurityGroup",
        },
    ),
    "Route": _shape(
        "addressPrefix etag id name nextHopIpAddress nextHopType provisioningState type", "hasBgpOverride", _CHILD
    ),
    "RouteTable": _shape(
        "disableBgpRoutePropagation etag id location provisioningState routes tags",
        "name resourceGuid subnets type",
        _NETWORK,
        nested={"routes": "Route", "subnets": "Subnet"},
    ),
    "IPConfiguration": _shape(
        "",
        "etag id name privateIPAddress privateIPAllocationMethod provisioningState publicIPAddress subnet",
        _CHILD,
        nested={"publicIPAddress": "PublicIPAddress", "subnet": "Subnet"},
    ),
    "IPConfigurationProfile": _shape(
        "id name subnet", "etag provisioningState type", _CHILD, nested={"subnet": "Subnet"}
    ),
    "ApplicationGatewayIPConfiguration": _shape("id name subnet", "etag provisioningState type", _CHILD),
    "Subnet": _shape(
        "addressPrefix addressPrefixes applicationGatewayIPConfigurations defaultOutboundAccess delegations etag id "
        "ipAllocations ipamPoolPrefixAllocations name natGateway networkSecurityGroup "
        "privateEndpointNetworkPolicies privateLinkServiceNetworkPolicies provisioningState resourceNavigationLinks "
        "routeTable serviceAssociationLinks serviceEndpointPolicies serviceEndpoints sharingScope type",
        "ipConfigurationProfiles ipConfigurations privateEndpoints purpose",
        _CHILD,
        nested={
            "applicationGatewayIPConfigurations": "ApplicationGatewayIPConfiguration",
            "delegations": "Delegation",
            "networkSecurityGroup": "NetworkSecurityGroup",
            "routeTable": "RouteTable",
            "ipConfigurationProfiles": "IPConfigurationProfile",
            "ipConfigurations": "IPConfiguration",
        },
    ),
    "VirtualNetworkPeering": _shape(
        "allowForwardedTraffic allowGatewayTransit allowVirtualNetworkAccess doNotVerifyRemoteGateways "
        "enableOnlyIPv6Peering id localAddressSpace localSubnetNames localVirtualNetworkAddressSpace name "
        "peerCompleteVnets peeringState peeringSyncLevel remoteAddressSpace remoteBgpCommunities remoteSubnetNames "
        "remoteVirtualNetwork remoteVirtualNetworkAddressSpace type useRemoteGateways",
        "etag provisioningState remoteVirtualNetworkEncryption resourceGuid",
        _CHILD,
    ),
    "NetworkSecurityGroup": _shape(
        "defaultSecurityRules etag flushConnection id location provisioningState resourceGuid securityRules tags",
        "flowLogs name networkInterfaces subnets type",
        _NETWORK,
        nested={"securityRules": "SecurityRule", "defaultSecurityRules": "SecurityRule", "subnets": "Subnet"},
    ),
    "PublicIPAddress": _shape(
        "ddosSettings deleteOption dnsSettings extendedLocation id idleTimeoutInMinutes ipAddress ipTags "
        "linkedPublicIPAddress location migrationPhase natGateway publicIPAddressVersion publicIPAllocationMethod "
        "publicIPPrefix servicePublicIPAddress sku tags zones",
        "etag ipConfiguration name provisioningState resourceGuid type",
        _NETWORK + " extendedLocation sku zones",
        nested={
            "ipConfiguration": "IPConfiguration",
            "linkedPublicIPAddress": "PublicIPAddress",
            "natGateway": "NatGateway",
            "servicePublicIPAddress": "PublicIPAddress",
        },
    ),
    "NatGateway": _shape(
        "id idleTimeoutInMinutes location publicIpAddresses publicIpPrefixes sku tags zones",
        "etag name provisioningState resourceGuid subnets type",
        _NETWORK + " sku zones",
    ),
    "FrontendIPConfiguration": _shape(
        "gatewayLoadBalancer id name privateIPAddress privateIPAddressVersion privateIPAllocationMethod "
        "publicIPAddress publicIPPrefix subnet zones",
        "etag inboundNatPools inboundNatRules loadBalancingRules outboundRules provisioningState type",
        _CHILD + " zones",
        nested={"publicIPAddress": "PublicIPAddress", "subnet": "Subnet"},
    ),
    "LoadBalancerBackendAddress": _shape(
        "adminState ipAddress loadBalancerFrontendIPConfiguration name subnet virtualNetwork",
        "inboundNatRulesPortMapping networkInterfaceIPConfiguration",
        "name",
    ),
    "BackendAddressPool": _shape(
        "drainPeriodInSeconds id loadBalancerBackendAddresses location name syncMode tunnelInterfaces virtualNetwork",
        "backendIPConfigurations etag inboundNatRules loadBalancingRules outboundRule outboundRules "
        "provisioningState type",
        _CHILD,
        nested={
            "backendIPConfigurations": "NetworkInterfaceIPConfiguration",
            "loadBalancerBackendAddresses": "LoadBalancerBackendAddress",
        },
    ),
    "Probe": _shape(
        "id intervalInSeconds name noHealthyBackendsBehavior numberOfProbes port probeThreshold protocol requestPath",
        "etag loadBalancingRules provisioningState type",
        _CHILD,
    ),
    "LoadBalancingRule": _shape(
        "backendAddressPool backendAddressPools backendPort disableOutboundSnat enableFloatingIP enableTcpReset "
        "frontendIPConfiguration frontendPort id idleTimeoutInMinutes loadDistribution name probe protocol",
        "etag provisioningState type",
        _CHILD,
    ),
    "InboundNatRule": _shape(
        "backendAddressPool backendPort enableFloatingIP enableTcpReset frontendIPConfiguration frontendPort "
        "frontendPortRangeEnd frontendPortRangeStart id idleTimeoutInMinutes name protocol",
        "backendIPConfiguration etag provisioningState type",
        _CHILD,
        nested={"backendIPConfiguration": "NetworkInterfaceIPConfiguration"},
    ),
    "InboundNatPool": _shape(
        "backendPort enableFloatingIP enableTcpReset frontendIPConfiguration frontendPortRangeEnd "
        "frontendPortRangeStart id idleTimeoutInMinutes name protocol",
        "etag provisioningState type",
        _CHILD,
    ),
    "OutboundRule": _shape(
        "allocatedOutboundPorts backendAddressPool enableTcpReset frontendIPConfigurations id idleTimeoutInMinutes "
        "name protocol",
        "etag provisioningState type",
        _CHILD,
    ),
    "NetworkInterfaceIPConfiguration": _shape(
        "applicationGatewayBackendAddressPools applicationSecurityGroups gatewayLoadBalancer id "
        "loadBalancerBackendAddressPools loadBalancerInboundNatRules name primary privateIPAddress "
        "privateIPAddressPrefixLength privateIPAddressVersion privateIPAllocationMethod publicIPAddress subnet type "
        "virtualNetworkTaps",
        "etag privateLinkConnectionProperties provisioningState",
        _CHILD,
        nested={
            "applicationSecurityGroups": "ApplicationSecurityGroup",
            "loadBalancerBackendAddressPools": "BackendAddressPool",
            "loadBalancerInboundNatRules": "InboundNatRule",
            "publicIPAddress": "PublicIPAddress",
            "subnet": "Subnet",
        },
    ),
    # --- network: resources; the same objects with other inputs than as parts of something
    "network:VirtualNetwork": _shape(
        "addressSpace bgpCommunities ddosProtectionPlan dhcpOptions enableDdosProtection enableVmProtection "
        "encryption extendedLocation flowTimeoutInMinutes id ipAllocations location privateEndpointVNetPolicies "
        "subnets tags virtualNetworkPeerings",
        "etag flowLogs name provisioningState resourceGuid type",
        _NETWORK + " extendedLocation",
        nested={"subnets": "Subnet", "virtualNetworkPeerings": "VirtualNetworkPeering"},
        unreturned="id",
    ),
    "network:Subnet": _shape(
        "addressPrefix addressPrefixes applicationGatewayIPConfigurations defaultOutboundAccess delegations id "
        "ipAllocations ipamPoolPrefixAllocations name natGateway networkSecurityGroup "
        "privateEndpointNetworkPolicies privateLinkServiceNetworkPolicies routeTable serviceEndpointPolicies "
        "serviceEndpoints sharingScope type",
        "etag ipConfigurationProfiles ipConfigurations privateEndpoints provisioningState purpose "
        "resourceNavigationLinks serviceAssociationLinks",
        _CHILD,
        nested={
            "applicationGatewayIPConfigurations": "ApplicationGatewayIPConfiguration",
            "delegations": "Delegation",
            "networkSecurityGroup": "NetworkSecurityGroup",
            "routeTable": "RouteTable",
            "ipConfigurationProfiles": "IPConfigurationProfile",
            "ipConfigurations": "IPConfiguration",
        },
        unreturned="id",
    ),
    "network:NetworkSecurityGroup": _shape(
        "flushConnection id location securityRules tags",
        "defaultSecurityRules etag flowLogs name networkInterfaces provisioningState resourceGuid subnets type",
        _NETWORK,
        nested={"securityRules": "SecurityRule", "defaultSecurityRules": "SecurityRule", "subnets": "Subnet"},
        unreturned="id",
    ),
    "network:PublicIPAddress": _shape(
        "ddosSettings deleteOption dnsSettings extendedLocation id idleTimeoutInMinutes ipAddress ipTags "
        "linkedPublicIPAddress location migrationPhase natGateway publicIPAddressVersion publicIPAllocationMethod "
        "publicIPPrefix servicePublicIPAddress sku tags zones",
        "etag ipConfiguration name provisioningState resourceGuid type",
        _NETWORK + " extendedLocation sku zones",
        nested={
            "ipConfiguration": "IPConfiguration",
            "linkedPublicIPAddress": "PublicIPAddress",
            "natGateway": "NatGateway",
            "servicePublicIPAddress": "PublicIPAddress",
        },
        unreturned="id",
    ),
    "network:NatGateway": _shape(
        "id idleTimeoutInMinutes location publicIpAddresses publicIpPrefixes sku tags zones",
        "etag name provisioningState resourceGuid subnets type",
        _NETWORK + " sku zones",
        unreturned="id",
    ),
    "network:LoadBalancer": _shape(
        "backendAddressPools extendedLocation frontendIPConfigurations id inboundNatPools inboundNatRules "
        "loadBalancingRules location outboundRules probes sku tags",
        "etag name provisioningState resourceGuid type",
        _NETWORK + " extendedLocation sku",
        nested={
            "backendAddressPools": "BackendAddressPool",
            "frontendIPConfigurations": "FrontendIPConfiguration",
            "inboundNatPools": "InboundNatPool",
            "inboundNatRules": "InboundNatRule",
            "loadBalancingRules": "LoadBalancingRule",
            "outboundRules": "OutboundRule",
            "probes": "Probe",
        },
        unreturned="id",
    ),
    "network:NetworkInterface": _shape(
        "auxiliaryMode auxiliarySku disableTcpStateTracking dnsSettings enableAcceleratedNetworking "
        "enableIPForwarding extendedLocation id ipConfigurations location migrationPhase networkSecurityGroup "
        "nicType privateLinkService tags workloadType",
        "defaultOutboundConnectivityEnabled dscpConfiguration etag hostedWorkloads macAddress name primary "
        "privateEndpoint provisioningState resourceGuid tapConfigurations type virtualMachine vnetEncryptionSupported",
        _NETWORK + " extendedLocation",
        nested={
            "dnsSettings": "NetworkInterfaceDnsSettings",
            "ipConfigurations": "NetworkInterfaceIPConfiguration",
            "networkSecurityGroup": "NetworkSecurityGroup",
        },
        unreturned="id",
    ),
    "NetworkInterfaceDnsSettings": _shape(
        "dnsServers internalDnsNameLabel", "appliedDnsServers internalDomainNameSuffix internalFqdn"
    ),
    # --- compute
    "VirtualMachineIdentity": _shape(
        "type userAssignedIdentities", "principalId tenantId", sets="userAssignedIdentities"
    ),
    "NetworkInterfaceReference": _shape("deleteOption id primary", beside="id"),
    "VirtualMachinePublicIPAddressConfiguration": _shape(
        "deleteOption dnsSettings idleTimeoutInMinutes ipTags name publicIPAddressVersion publicIPAllocationMethod "
        "publicIPPrefix sku",
        beside="name sku",
    ),
    "VirtualMachineNetworkInterfaceIPConfiguration": _shape(
        "applicationGatewayBackendAddressPools applicationSecurityGroups loadBalancerBackendAddressPools name "
        "primary privateIPAddressVersion publicIPAddressConfiguration subnet",
        beside="name",
        nested={"publicIPAddressConfiguration": "VirtualMachinePublicIPAddressConfiguration"},
    ),
    "VirtualMachineNetworkInterfaceConfiguration": _shape(
        "auxiliaryMode auxiliarySku deleteOption disableTcpStateTracking dnsSettings dscpConfiguration "
        "enableAcceleratedNetworking enableFpga enableIPForwarding ipConfigurations name networkSecurityGroup primary",
        beside="name",
        nested={"ipConfigurations": "VirtualMachineNetworkInterfaceIPConfiguration"},
    ),
    "NetworkProfile": _shape(
        "networkApiVersion networkInterfaceConfigurations networkInterfaces",
        nested={
            "networkInterfaceConfigurations": "VirtualMachineNetworkInterfaceConfiguration",
            "networkInterfaces": "NetworkInterfaceReference",
        },
    ),
    "ImageReference": _shape(
        "communityGalleryImageId id offer publisher sharedGalleryImageId sku version", "exactVersion"
    ),
    "DataDisk": _shape(
        "caching createOption deleteOption detachOption diskSizeGB image lun managedDisk name sourceResource "
        "toBeDetached vhd writeAcceleratorEnabled",
        "diskIOPSReadWrite diskMBpsReadWrite",
    ),
    "StorageProfile": _shape(
        "alignRegionalDisksToVMZone dataDisks diskControllerType imageReference osDisk",
        nested={"dataDisks": "DataDisk", "imageReference": "ImageReference"},
    ),
    "CreationData": _shape(
        "createOption elasticSanResourceId galleryImageReference imageReference logicalSectorSize performancePlus "
        "provisionedBandwidthCopySpeed securityDataUri sourceResourceId sourceUri storageAccountId uploadSizeBytes",
        "sourceUniqueId",
    ),
    "DiskSku": _shape("name", "tier"),
    "compute:AvailabilitySet": _shape(
        "location platformFaultDomainCount platformUpdateDomainCount proximityPlacementGroup scheduledEventsPolicy "
        "sku tags virtualMachines",
        "name statuses systemData type virtualMachineScaleSetMigrationInfo",
        _COMPUTE + " sku",
    ),
    "compute:Disk": _shape(
        "burstingEnabled completionPercent creationData dataAccessAuthMode diskAccessId diskIOPSReadOnly "
        "diskIOPSReadWrite diskMBpsReadOnly diskMBpsReadWrite diskSizeGB encryption encryptionSettingsCollection "
        "extendedLocation hyperVGeneration location maxShares networkAccessPolicy optimizedForFrequentAttach osType "
        "publicNetworkAccess purchasePlan securityProfile sku supportedCapabilities supportsHibernation tags tier "
        "zones",
        "burstingEnabledTime diskSizeBytes diskState lastOwnershipUpdateTime managedBy managedByExtended name "
        "propertyUpdatesInProgress provisioningState shareInfo systemData timeCreated type uniqueId",
        _COMPUTE + " extendedLocation managedBy managedByExtended sku zones",
        nested={"creationData": "CreationData", "sku": "DiskSku"},
        renamed={"lastOwnershipUpdateTime": "LastOwnershipUpdateTime"},
    ),
    "EncryptionSetIdentity": _shape(
        "type userAssignedIdentities", "principalId tenantId", sets="userAssignedIdentities"
    ),
    "compute:DiskEncryptionSet": _shape(
        "activeKey encryptionType federatedClientId identity location rotationToLatestKeyVersionEnabled tags",
        "autoKeyRotationError lastKeyRotationTimestamp name previousKeys provisioningState systemData type",
        _COMPUTE + " identity",
        nested={"identity": "EncryptionSetIdentity"},
    ),
    "compute:VirtualMachine": _shape(
        "additionalCapabilities applicationProfile availabilitySet billingProfile capacityReservation "
        "diagnosticsProfile evictionPolicy extendedLocation extensionsTimeBudget hardwareProfile host hostGroup "
        "identity licenseType location networkProfile osProfile placement plan platformFaultDomain priority "
        "proximityPlacementGroup scheduledEventsPolicy scheduledEventsProfile securityProfile storageProfile tags "
        "userData virtualMachineScaleSet zones",
        "etag instanceView managedBy name provisioningState resources systemData timeCreated type vmId",
        _COMPUTE + " etag extendedLocation identity managedBy placement plan resources zones",
        nested={
            "identity": "VirtualMachineIdentity",
            "networkProfile": "NetworkProfile",
            "storageProfile": "StorageProfile",
        },
    ),
    # --- Key Vault, whose properties the SDK leaves where they are
    "keyvault:Vault": _shape("location properties tags", "name systemData type"),
    # --- authorization
    "authorization:RoleDefinition": _shape(
        "assignableScopes description permissions roleName roleType",
        "createdBy createdOn name systemData type updatedBy updatedOn",
        "id name type systemData",
        renamed={"roleType": "type"},
    ),
    "authorization:RoleAssignment": _shape(
        "condition conditionVersion delegatedManagedIdentityResourceId description principalId principalType "
        "roleDefinitionId",
        "createdBy createdOn name scope systemData type updatedBy updatedOn",
        "id name type systemData",
    ),
    "authorization:ManagementLockByScope": _shape(
        "level notes owners", "name systemData type", "id name type systemData"
    ),
}


def _network(
    kind: str, path: str, name: str, replaced_by: tuple[str, ...] = (), kept: tuple[str, ...] = ()
) -> ResourceType:
    return ResourceType(
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network/" + path,
        name=name,
        api_version="2024-05-01",
        shape=f"network:{kind}",
        replaced_by=replaced_by,
        kept=kept,
    )


def _compute(kind: str, path: str, name: str, api_version: str, required: tuple[str, ...]) -> ResourceType:
    return ResourceType(
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/" + path,
        name=name,
        api_version=api_version,
        shape=f"compute:{kind}",
        required=required,
    )


RESOURCE_TYPES: Mapping[str, ResourceType] = {
    "azure-native:resources:ResourceGroup": ResourceType(
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}",
        name="resourceGroupName",
        api_version="2024-03-01",
        shape="ResourceGroup",
        required=("location",),
        replaced_by=("location",),
    ),
    "azure-native:network:VirtualNetwork": _network(
        "VirtualNetwork",
        "virtualNetworks/{virtualNetworkName}",
        "virtualNetworkName",
        replaced_by=("location",),
        kept=("subnets", "virtualNetworkPeerings"),
    ),
    "azure-native:network:Subnet": _network(
        "Subnet", "virtualNetworks/{virtualNetworkName}/subnets/{subnetName}", "subnetName"
    ),
    "azure-native:network:NetworkSecurityGroup": _network(
        "NetworkSecurityGroup",
        "networkSecurityGroups/{networkSecurityGroupName}",
        "networkSecurityGroupName",
        kept=("securityRules",),
    ),
    "azure-native:network:PublicIPAddress": _network(
        "PublicIPAddress",
        "publicIPAddresses/{publicIpAddressName}",
        "publicIpAddressName",
        replaced_by=("location", "publicIPAddressVersion", "publicIPPrefix", "sku"),
    ),
    "azure-native:network:NatGateway": _network("NatGateway", "natGateways/{natGatewayName}", "natGatewayName"),
    "azure-native:network:LoadBalancer": _network(
        "LoadBalancer",
        "loadBalancers/{loadBalancerName}",
        "loadBalancerName",
        kept=("backendAddressPools", "inboundNatRules"),
    ),
    "azure-native:network:NetworkInterface": _network(
        "NetworkInterface", "networkInterfaces/{networkInterfaceName}", "networkInterfaceName"
    ),
    "azure-native:compute:AvailabilitySet": _compute(
        "AvailabilitySet", "availabilitySets/{availabilitySetName}", "availabilitySetName", "2024-11-01", ("location",)
    ),
    "azure-native:compute:Disk": _compute(
        "Disk", "disks/{diskName}", "diskName", "2024-03-02", ("location", "creationData")
    ),
    "azure-native:compute:DiskEncryptionSet": _compute(
        "DiskEncryptionSet", "diskEncryptionSets/{diskEncryptionSetName}", "diskEncryptionSetName", "2024-03-02", ()
    ),
    "azure-native:keyvault:Vault": ResourceType(
        path="/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.KeyVault/vaults/"
        "{vaultName}",
        name="vaultName",
        api_version="2024-11-01",
        shape="keyvault:Vault",
        required=("properties",),
    ),
    "azure-native:compute:VirtualMachine": _compute(
        "VirtualMachine", "virtualMachines/{vmName}", "vmName", "2024-11-01", ("location",)
    ),
    "azure-native:authorization:RoleDefinition": ResourceType(
        path="/{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
        name="roleDefinitionId",
        api_version="2022-05-01-preview",
        shape="authorization:RoleDefinition",
        random_name="uuid",
    ),
    "azure-native:authorization:RoleAssignment": ResourceType(
        path="/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        name="roleAssignmentName",
        api_version="2022-04-01",
        shape="authorization:RoleAssignment",
        required=("principalId", "roleDefinitionId"),
        replaced_by=("principalId",),
        random_name="uuid",
    ),
    "azure-native:authorization:ManagementLockByScope": ResourceType(
        path="/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
        name="lockName",
        api_version="2020-05-01",
        shape="authorization:ManagementLockByScope",
        required=("level",),
    ),
}
