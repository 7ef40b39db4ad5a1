"""Three nodes of Ray on this machine, two of them with a core, until standard input ends.

In a process of its own, since Ray leaves files open. Prints the addresses of the cluster: for a
process on one of its machines, and for clients from outside.
"""

from __future__ import annotations

import socket
import sys

from ray.cluster_utils import Cluster

STORE_BYTES = 80 << 20  # the least that Ray takes
NODE = {"object_store_memory": STORE_BYTES, "include_dashboard": False}


def main() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    head = {**NODE, "num_cpus": 0, "ray_client_server_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(wait=False, num_cpus=1, **NODE)
        cluster.wait_for_nodes(60)
        print(cluster.address, f"ray://127.0.0.1:{port}", flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
