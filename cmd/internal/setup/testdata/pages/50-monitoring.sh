# Prometheus and Grafana read what flowhound serves.
page integrations/prometheus/README.md
cd /flowhound/integrations/prometheus
block 'promtool check'
block 'curl'
promtool check config scrape.yml
page integrations/grafana/README.md
cd ../grafana
mkdir -p /var/lib/grafana/dashboards
block 'cp dashboard.json'
