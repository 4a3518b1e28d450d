// Command pulumi-resource-command runs commands over SSH and on this machine.
//
// It takes the place of Pulumi's command provider 1.2.1 where that cannot be
// had: its Go module is not on every module proxy.  For command:remote:Command
// and command:local:Command it does as that provider does, where that is no help
// too: a line too long for its scanner, a server that says nothing, connections
// that stay.  Proxies, CopyToRemote, functions, assets and archives are refused.
// The lab says at its start which of the two it uses.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// version is set by the linker.
var version = "1.2.1"

var unknown = resource.MakeComputed(resource.NewStringProperty(""))

const (
	localType  = "command:local:Command"
	remoteType = "command:remote:Command"
)

func main() {
	err := provider.Main("command", func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		ctx, cancel := context.WithCancel(context.Background())
		return &commands{engine: host, stopping: ctx, stop: cancel}, nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-command:", err)
		os.Exit(1)
	}
}

type commands struct {
	pulumirpc.UnimplementedResourceProviderServer
	engine   *provider.HostClient
	stopping context.Context // ends with the first Ctrl-C
	stop     context.CancelFunc
}

func (c *commands) Handshake(
	context.Context, *pulumirpc.ProviderHandshakeRequest,
) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true}, nil
}

func (c *commands) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

func (c *commands) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (c *commands) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

func (c *commands) Configure(
	context.Context, *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

func (c *commands) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	c.stop()
	return &emptypb.Empty{}, nil
}

// Check refuses what it does not know, by name and never by value: a value may be a key.
func (c *commands) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	known := append([]string{
		"create", "update", "delete", "stdin", "environment", "triggers", "logging", "addPreviousOutputInEnv",
	}, map[string][]string{
		remoteType: {"connection"},
		localType:  {"dir", "interpreter"},
	}[req.GetType()]...)
	if len(known) == 8 {
		return nil, fmt.Errorf("%s: not offered by the lab's stand-in for the command provider", req.GetType())
	}
	news, err := read(req.GetNews(), false)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CheckResponse{Inputs: req.GetNews()}
	if news["connection"].ContainsUnknowns() {
		inputs, err := read(req.GetNews(), true)
		if err != nil {
			return nil, err
		}
		inputs["connection"] = unknown
		if response.Inputs, err = write(inputs); err != nil {
			return nil, err
		}
	}
	refuse := func(property, reason string) {
		response.Failures = append(response.Failures, &pulumirpc.CheckFailure{Property: property, Reason: reason})
	}
	for key := range news {
		if !slices.Contains(known, string(key)) {
			refuse(string(key), "not an input of "+req.GetType())
		}
	}
	if req.GetType() == remoteType {
		switch connection := news["connection"]; {
		case connection.IsComputed() || connection.IsOutput():
		case !connection.IsObject():
			refuse("connection", "missing")
		default:
			checkConnection(connection.ObjectValue(), refuse)
		}
	}
	return response, nil
}

func checkConnection(value resource.PropertyMap, refuse func(property, reason string)) {
	known := []string{
		"host", "port", "user", "password", "privateKey", "privateKeyPassword", "agentSocketPath",
		"hostKey", "dialErrorLimit", "perDialTimeout",
	}
	for key := range value {
		if !slices.Contains(known, string(key)) {
			refuse("connection."+string(key), "not a property of a connection that is offered here")
		}
	}
	if !value.HasValue("host") {
		refuse("connection.host", "missing")
	}
}

// Diff compares inputs with inputs: a changed trigger replaces, any other change updates.
func (c *commands) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := read(req.GetOldInputs(), false)
	if err != nil {
		return nil, err
	}
	news, err := read(req.GetNews(), false)
	if err != nil {
		return nil, err
	}
	for _, ignored := range req.GetIgnoreChanges() {
		key := resource.PropertyKey(ignored)
		if old, was := olds[key]; was {
			news[key] = old
		} else {
			delete(news, key)
		}
	}
	response := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	diff := olds.Diff(news)
	if diff == nil {
		return response, nil
	}
	for path, each := range plugin.NewDetailedDiffFromObjectDiff(diff, true) {
		kind := each.Kind
		steps, err := resource.ParsePropertyPath(path)
		if err != nil {
			return nil, err
		}
		top := steps[0].(string)
		if top == "triggers" {
			kind = kind.AsReplace()
			if !slices.Contains(response.Replaces, top) {
				response.Replaces = append(response.Replaces, top)
			}
		}
		if !slices.Contains(response.Diffs, top) {
			response.Diffs = append(response.Diffs, top)
		}
		response.DetailedDiff[path] = &pulumirpc.PropertyDiff{
			Kind: pulumirpc.PropertyDiff_Kind(kind), InputDiff: each.InputDiff, //nolint:gosec // the same enumeration
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
	}
	return response, nil
}

func (c *commands) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	id, err := resource.NewUniqueHex(req.GetName(), 8, 0)
	if err != nil {
		return nil, err
	}
	state, err := c.step(ctx, req.GetUrn(), req.GetType(), req.GetPreview(), req.GetProperties(), nil)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: state}, nil
}

func (c *commands) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	state, err := c.step(ctx, req.GetUrn(), req.GetType(), req.GetPreview(), req.GetNews(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: state}, nil
}

// step runs what the inputs ask for and returns the new state: the inputs, stdout and stderr.
// olds is the state before, nil for a resource that is being created.
func (c *commands) step(
	ctx context.Context, urn, kind string, preview bool, inputs, olds *structpb.Struct,
) (*structpb.Struct, error) {
	state, err := read(inputs, true)
	if err != nil {
		return nil, err
	}
	before, err := read(olds, false)
	if err != nil {
		return nil, err
	}
	if preview {
		state["stdout"], state["stderr"] = unknown, unknown
		return write(state)
	}
	task, err := newTask(kind, inputs, before)
	if err != nil {
		return nil, err
	}
	command := task.Create
	if olds != nil && task.Update != nil {
		command = task.Update
	}
	out := output{stdout: task.previousStdout, stderr: task.previousStderr}
	if command != nil {
		if out, err = c.run(ctx, urn, task, *command); err != nil {
			return nil, err
		}
	}
	state["stdout"] = resource.NewStringProperty(out.stdout)
	state["stderr"] = resource.NewStringProperty(out.stderr)
	return write(state)
}

// Read finds nothing out: a command that ran leaves nothing that could be looked at.
func (c *commands) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: req.GetProperties(), Inputs: req.GetInputs()}, nil
}

func (c *commands) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	before, err := read(req.GetProperties(), false)
	if err != nil {
		return nil, err
	}
	inputs := req.GetOldInputs()
	if inputs == nil {
		return nil, errors.New("the engine sent no inputs with the deletion")
	}
	task, err := newTask(req.GetType(), inputs, before)
	if err != nil {
		return nil, err
	}
	if task.Delete != nil {
		if _, err := c.run(ctx, req.GetUrn(), task, *task.Delete); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}

// log shows each line of a command's output under its resource, as a status; that fails no command.
//
// A line of 64 KiB or more ends it: nobody reads on, and whoever writes waits for ever.
func (c *commands) log(urn string, output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		c.say(urn, lines.Text())
	}
}

func (c *commands) say(urn, line string) {
	_ = c.engine.LogStatus(context.Background(), diag.Info, resource.URN(urn), line)
}

// read decodes properties; with secrets false a secret is as good as its value.
func read(properties *structpb.Struct, secrets bool) (resource.PropertyMap, error) {
	if properties == nil {
		return resource.PropertyMap{}, nil
	}
	return plugin.UnmarshalProperties(properties, plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: secrets, SkipNulls: true,
	})
}

func write(state resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(state, plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, SkipNulls: true,
	})
}
