package org.elasticsearch.plugins;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.jdk.ModuleQualifiedExportsService;
import org.elasticsearch.transport.netty4.Netty4Plugin;

/** The plugins of a server that lies on the class path: the transport, and nothing from a plugin folder. */
public class TestPlugins extends PluginsService {
    private final List<LoadedPlugin> plugins;

    public TestPlugins(Settings settings, Path config) {
        super(settings, config, null, null);
        Plugin netty = loadPlugin(Netty4Plugin.class, settings, config);
        PluginDescriptor is = new PluginDescriptor(
            "transport-netty4", "", "0", "8.14.3", "17", Netty4Plugin.class.getName(), null, List.of(), false, false, false, false);
        plugins = List.of(new LoadedPlugin(is, netty));
    }

    @Override
    protected List<LoadedPlugin> plugins() {
        return plugins;
    }

    /** Modules that are not there need no exports. */
    @Override
    protected void addServerExportsService(Map<String, List<ModuleQualifiedExportsService>> services) {}
}
