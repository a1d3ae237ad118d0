// An OpenSearch of one node that runs until it is killed: FOLDER HTTP-PORT TRANSPORT-PORT.
import org.codelibs.opensearch.runner.OpenSearchRunner;
import static org.codelibs.opensearch.runner.OpenSearchRunner.newConfigs;

public class Run {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("discovery.type", "single-node");
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        }).build(newConfigs().basePath(arguments[0]).numOfNode(1).clusterName("logwarden"));
        Thread.sleep(Long.MAX_VALUE);
    }
}
