// One program that is every part of a Kubernetes cluster, chosen by the name it is called by, as
// busybox does: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy,
// kubelet, kubectl, and agnhost, the backend of the upstream network tests. One link instead of
// eight, a quarter of the disk, and one page cache for three nodes.
//
// Upstream's own main packages differ from this only in doing it for one component each. go.mod
// names one Kubernetes version and replaces each of its staging modules by the one published
// under the same number.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlerror "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/test/images/agnhost/netexec"

	// What the components' own main packages import for its side effects: a log format, and the
	// metrics of the client library and of the version.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// servers are the roles that cobra runs to their end; the command is made only for the role that
// was asked for, because making one registers flags.
var servers = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": func() *cobra.Command { return controllermanager.NewControllerManagerCommand() },
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"agnhost":                 agnhost,
}

func main() {
	role := filepath.Base(os.Args[0])
	// Called by its own name it takes the role as its first argument.
	if role == "kube" && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		role = os.Args[0]
	}
	switch command := servers[role]; {
	case role == "etcd":
		etcdmain.Main(os.Args)
	case role == "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlerror.CheckErr(err)
		}
	case command != nil:
		os.Exit(cli.Run(command()))
	default:
		names := []string{"etcd", "kubectl"}
		for name := range servers {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: kube ROLE ..., ROLE one of: %s\n", strings.Join(names, " "))
		os.Exit(2)
	}
}

// agnhost keeps the one subcommand that the tests use: a server that says who it is and who asks.
func agnhost() *cobra.Command {
	root := &cobra.Command{Use: "agnhost"}
	root.AddCommand(netexec.CmdNetexec)
	return root
}
