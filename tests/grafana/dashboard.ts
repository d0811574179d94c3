// What our dashboards may consist of: Grafana's own types, made strict.
//
// Grafana's types leave open what a panel plugin adds (options, the custom part of a field) and
// what a data source adds (queries). Here each kind of panel that we use is bound to the options of
// its plugin, and a query to what the Prometheus data source reads, so that no field can be
// misspelt anywhere.

import type * as grafana from '@grafana/schema';
import type * as raw from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type * as barchart from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// A type as JSON has it: the values of enumerations in place of their names.
type Json<T> = T extends string
  ? `${T}`
  : T extends number
    ? number extends T
      ? number
      : `${T}` extends `${infer N extends number}`
        ? N
        : never
    : T extends boolean | null | undefined
      ? T
      : T extends Array<infer Item>
        ? Array<Json<Item>>
        : T extends object
          ? { [Key in keyof T]: Json<T[Key]> }
          : T;

interface Source {
  type: 'prometheus';
  uid: '${datasource}';
}

interface Query {
  datasource: Source;
  editorMode: 'code';
  expr: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  legendFormat: string;
  range: boolean;
  refId: string;
}

interface DataLink {
  title: string;
  url: string;
  targetBlank?: boolean;
}

type Field<Custom> = Omit<Json<raw.FieldConfig>, 'custom' | 'links'> & {
  custom?: Partial<Json<Custom>>;
  links?: DataLink[];
};

// The properties that an override may set: a field of the standard ones, or of the panel's own.
type Property<Custom> =
  | { [Id in keyof Field<Custom>]: { id: Id; value: Field<Custom>[Id] } }[Exclude<
      keyof Field<Custom>,
      'custom'
    >]
  | {
      [Id in keyof Custom & string]: { id: `custom.${Id}`; value: Json<Custom[Id]> };
    }[keyof Custom & string];

interface Override<Custom> {
  matcher: { id: 'byName'; options: string };
  properties: Array<Property<Custom>>;
}

type Transformation =
  | { id: 'merge'; options: Record<string, never> }
  | {
      id: 'organize';
      options: {
        excludeByName: Record<string, boolean>;
        indexByName: Record<string, number>;
        renameByName: Record<string, string>;
      };
    }
  | {
      id: 'groupingToMatrix';
      options: { columnField: string; rowField: string; valueField: string };
    }
  | { id: 'sortBy'; options: { fields: Record<string, never>; sort: Array<{ field: string; desc?: boolean }> } };

interface PanelOf<Type extends string, Options, Custom> {
  datasource: Source;
  description: string;
  fieldConfig: { defaults: Field<Custom>; overrides: Array<Override<Custom>> };
  gridPos: Json<raw.GridPos>;
  id: number;
  options: Json<Options>;
  targets: Query[];
  title: string;
  transformations: Transformation[];
  type: Type;
}

type Panel =
  | PanelOf<'barchart', barchart.Options, barchart.FieldConfig>
  | PanelOf<'bargauge', bargauge.Options, Record<string, never>>
  | PanelOf<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | PanelOf<'stat', stat.Options, Record<string, never>>
  | PanelOf<'table', table.Options, table.FieldConfig>
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>;

type Row = Omit<Json<grafana.RowPanel>, 'panels'> & { panels: Panel[] };

type Annotation = Omit<Json<grafana.AnnotationQuery>, 'target'> & {
  target?: { expr: string; interval: string; refId: 'Anno' };
  titleFormat?: string;
  textFormat?: string;
  useValueForTime?: boolean;
};

export type Dashboard = Required<
  Omit<
    Json<grafana.Dashboard>,
    'annotations' | 'panels' | 'gnetId' | 'preload' | 'revision' | 'snapshot'
  >
> & {
  annotations: { list: Annotation[] };
  panels: Array<Panel | Row>;
};
